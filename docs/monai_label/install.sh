#!/usr/bin/env bash
# Installs MONAI Label 0.8.5 and what this bundle needs into a new virtual environment (Python 3.11, Linux).
#
#   bash docs/monai_label/install.sh labelserver
#
# `pip install monailabel` alone gives a set of packages that does not import: it asks for NumPy 1 and mixes two
# generations of pydicom. Here its radiology part is installed with the versions of constraints.txt, without SAM 2,
# pathology and MLflow. For a GPU set TORCH, for example TORCH="torch==2.13.0 torchvision".
set -euo pipefail
target=${1:?usage: install.sh FOLDER}
here=$(cd "$(dirname "$0")" && pwd)
"${PYTHON:-python3.11}" -m venv "$target"
pip=("$target/bin/pip" install --quiet --disable-pip-version-check --constraint "$here/constraints.txt")

# torch comes first and alone: asked for by another package, pip would take the newest build.
# shellcheck disable=SC2086
"${pip[@]}" ${TORCH:-torch==2.13.0}
"${pip[@]}" monai pytorch-ignite numpy nibabel SimpleITK scipy matplotlib typer rich fire pyyaml slicerio requests \
  itk pynrrd scikit-image scikit-learn psutil pillow tqdm einops filelock requests-toolbelt urllib3 uvicorn fastapi \
  pydantic pydantic-settings python-dotenv python-multipart httpx schedule timeloop expiringdict expiring_dict \
  cachetools watchdog passlib pyjwt bcrypt shapely google-auth jsonschema retrying girder-client
"${pip[@]}" --no-deps pydicom dicomweb-client pynetdicom pydicom-seg
"${pip[@]}" --no-deps monailabel

# MONAI Label imports two functions of torchvision that only its logging of training images calls. Without
# torchvision (its build must fit torch's) they are there in name only.
if ! "$target/bin/python" -c 'import torchvision' 2>/dev/null; then
  site=$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  mkdir -p "$site/torchvision"
  touch "$site/torchvision/__init__.py"
  cat > "$site/torchvision/utils.py" <<'STUB'
"""Stands in for torchvision, which is not installed."""


def make_grid(*_arguments, **_options):
    raise NotImplementedError("torchvision is not installed")


def save_image(*_arguments, **_options):
    raise NotImplementedError("torchvision is not installed")
STUB
fi
"$target/bin/python" -c 'import monailabel.app, monailabel.main; print("MONAI Label is ready")'
