"""One unpacked bundle, and processes that know the project from it alone."""

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bundle.config_files import bundle_root
from bundle.configuration import load_config
from bundle.phantoms.phantom_cases import write_phantoms
from bundle.serving.bundle_archive import NAME, pack
from bundle.tasks.default import DEFAULT_TASK

MODALITIES = DEFAULT_TASK.modality_names

SCRIPTS = Path(__file__).parent / "scripts"
ALONE = """\
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder).lower()]
sys.path[:] = [folder for folder in sys.path if folder != {repository!r}]
"""


@dataclass(frozen=True)
class Machine:
    """A stand-in for a machine on which the bundle was unpacked and only its dependencies were
    installed.

    Attributes:
        models: the folder that holds the bundle's folder.
        elsewhere: an empty folder to work in.
        site: what hides the installed project from Python.
    """

    models: Path
    elsewhere: Path
    site: Path

    @property
    def bundle(self) -> Path:
        return self.models / NAME

    def python(self, *arguments: object, cwd: Path | None = None, path: Path | None = None) -> str:
        """Run Python and give what it printed; a status other than 0 fails the test.

        Args:
            arguments: of Python.
            cwd: working folder; None is elsewhere.
            path: one more folder on PYTHONPATH.
        """
        result = self.attempt(*arguments, cwd=cwd, path=path)
        assert result.returncode == 0, result.stderr[-4000:]
        return result.stdout

    def attempt(
        self, *arguments: object, cwd: Path | None = None, path: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=cwd or self.elsewhere,
            env={
                **{
                    key: value
                    for key, value in os.environ.items()
                    if not key.startswith(("COV_", "SIMMLM_"))
                },
                "PYTHONPATH": os.pathsep.join(
                    str(folder) for folder in (self.site, path) if folder
                ),
                "PYTHONDONTWRITEBYTECODE": "1",
                "OMP_NUM_THREADS": "1",
                "CUDA_VISIBLE_DEVICES": "",
            },
            capture_output=True,
            text=True,
            timeout=300,
        )

    def monai(self, command: str, cwd: Path | None = None, **options: object) -> str:
        """Run a command of ``python -m monai.bundle``."""
        given = [part for key, value in options.items() for part in (f"--{key}", value)]
        return self.python("-m", "monai.bundle", command, *given, cwd=cwd)


@dataclass(frozen=True)
class Window:
    """A window of noise as each modality set shows it, and the logits of the Python network.

    Attributes:
        file: the window (1, M, H, W, D) and the presence flags of all sets, for other processes.
        images: one (1, M, H, W, D) per set.
        logits: one (1, R, H, W, D) per set.
    """

    file: Path
    images: list[Tensor]
    logits: list[Tensor]


@pytest.fixture(scope="session")
def machine(tmp_path_factory) -> Machine:
    folder = tmp_path_factory.mktemp("machine")
    pack(folder / "simmlm.zip")
    with zipfile.ZipFile(folder / "simmlm.zip") as archive:
        archive.extractall(folder / "models")
    (folder / "elsewhere").mkdir()
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(ALONE.format(repository=str(bundle_root())))
    return Machine(folder / "models", folder / "elsewhere", folder / "site")


@pytest.fixture(scope="session")
def cases(tmp_path_factory) -> Path:
    """A folder with one case twice, whole and with two modalities; no two axes have the
    same size.
    """
    folder = tmp_path_factory.mktemp("cases")
    (whole,) = write_phantoms(folder, n_cases=1, seed=5, shape=(64, 72, 56))
    (folder / "partial").mkdir()
    for modality in ("t1c", "t2f"):
        shutil.copy(
            whole / f"{whole.name}-{modality}.nii.gz",
            folder / "partial" / f"partial-{modality}.nii.gz",
        )
    return folder


@pytest.fixture(scope="session")
def window(tmp_path_factory) -> Window:
    network = load_config("inference.yaml", {}).get_parsed_content("verified")
    noise = torch.randn(1, len(MODALITIES), 64, 64, 64, generator=torch.Generator().manual_seed(7))
    flags = torch.tensor(DEFAULT_TASK.all_sets())
    images = [noise * present[:, None, None, None] for present in flags]
    file = tmp_path_factory.mktemp("window") / "window.pt"
    torch.save({"image": noise, "sets": flags}, file)
    with torch.inference_mode():
        return Window(file, images, [network(image) for image in images])
