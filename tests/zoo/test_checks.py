"""The checks of the model zoo's CI and the rules of its CONTRIBUTING, on the packed bundle."""

import json
import re
import shutil
import tomllib
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import pytest
import yaml
from monai.bundle import verify_metadata
from monai.bundle.utils import DEPRECATED_ID_MAPPING
from packaging.requirements import Requirement
from packaging.version import Version

from bundle.config_files import bundle_root
from tests.zoo.conftest import Machine

SCHEMA = Path(__file__).with_name("metadata_schema.json")
REQUIRED = json.loads(SCHEMA.read_text(encoding="utf-8"))["required"]
LARGEST = 25 * 2**20  # bytes
JUDGING, TRAINING = (
    ("inference.json", "inference.yaml"),
    ("train_experts.json", "train.yaml", "train.json"),
)
TRAINING_PARTS = {
    "train": {"trainer", "dataset", "dataloader", "inferer", "handlers", "preprocessing"},
    "validate": {
        "evaluator",
        "dataset",
        "dataloader",
        "inferer",
        "handlers",
        "preprocessing",
        "postprocessing",
    },
}

pytestmark = pytest.mark.filterwarnings(
    "ignore:No hash value provided for .*schema.json:UserWarning"
)


def config(machine: Machine, name: str) -> dict[str, Any]:
    return yaml.safe_load((machine.bundle / "configs" / name).read_text(encoding="utf-8"))


def cases_in(text: str) -> set[str]:
    return set(re.findall(r"(?<!\.)\b(?:BraTS2021_)?(0\d{4})\b", text))


@pytest.fixture
def metadata(machine) -> dict[str, Any]:
    return json.loads((machine.bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))


@pytest.fixture
def schema(tmp_path) -> Path:
    """A copy at the place to which MONAI would download the schema, so that it does not."""
    return Path(shutil.copy(SCHEMA, tmp_path / "schema.json"))


def verify(metadata: dict[str, Any], schema: Path) -> None:
    file = schema.with_name("metadata.json")
    file.write_text(json.dumps(metadata), encoding="utf-8")
    verify_metadata(meta_file=str(file), filepath=str(schema))


@pytest.mark.parametrize(
    "name",
    [
        *("LICENSE", "configs/metadata.json", "models/model.pt", "configs/inference.json"),
        *(
            "configs/inference.yaml",
            "configs/train.yaml",
            "configs/evaluate.yaml",
            "configs/multi_gpu_train.yaml",
        ),
        *("configs/logging.conf", "docs/README.md", "docs/data_license.txt"),
    ],
)
def test_the_necessary_and_the_preferred_files_are_there(machine, name):
    assert (machine.bundle / name).stat().st_size > 0


def test_the_licence_is_apache_2(machine):
    text = " ".join((machine.bundle / "LICENSE").read_text(encoding="utf-8").split())
    assert text.startswith("Apache License Version 2.0, January 2004")
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_version_is_semantic_and_the_newest_of_the_changelog(metadata):
    assert re.fullmatch(r"\d+\.\d+\.\d+", metadata["version"])
    assert metadata["version"] == max(metadata["changelog"], key=Version)


def test_metadata_package_and_project_agree_on_the_version(machine, metadata):
    package = (machine.bundle / "bundle" / "__init__.py").read_text(encoding="utf-8")
    project = tomllib.loads((bundle_root() / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    assert (
        re.search(r'^__version__ = "(.+)"$', package, re.M)[1]
        == metadata["version"]
        == project["version"]
    )


def test_the_metadata_fit_the_schema(metadata, schema):
    verify(metadata, schema)


@pytest.mark.parametrize("key", sorted(set(REQUIRED) - {"schema"}))
def test_metadata_without_a_required_key_do_not_fit_the_schema(metadata, schema, key):
    del metadata[key]
    with pytest.raises(ValueError, match="Failed validating"):
        verify(metadata, schema)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", "0.3"),
        ("optional_packages_version", {"nibabel": "5.4.2"}),
        ("required_packages_version/nibabel", ">=5"),
        ("network_data_format/inputs/image/dtype", "float"),
        ("network_data_format/inputs/image/format", "picture"),
        ("network_data_format/inputs/image/num_channels", 0),
        ("network_data_format/inputs/image/spatial_shape", ["x"]),
        ("network_data_format/inputs/image/value_range", [0]),
        ("network_data_format/outputs/pred/channel_def", {"first": "core"}),
        ("network_data_format/outputs/pred/is_patch_data", "true"),
        ("network_data_format/outputs", {}),
    ],
)
def test_metadata_with_a_wrong_value_do_not_fit_the_schema(metadata, schema, path, value):
    *parents, key = path.split("/")
    part = metadata
    for parent in parents:
        part = part[parent]
    part[key] = value
    with pytest.raises(ValueError, match="Failed validating"):
        verify(metadata, schema)


def test_the_metadata_use_no_deprecated_name(metadata):
    assert "optional_packages_version" in DEPRECATED_ID_MAPPING
    assert metadata.keys().isdisjoint(DEPRECATED_ID_MAPPING)


def test_the_pinned_packages_can_be_installed_together(metadata):
    """They are, and none asks for another version of one of the others."""
    pins = {
        "torch": metadata["pytorch_version"],
        "monai": metadata["monai_version"],
        "numpy": metadata["numpy_version"],
        **{name.lower(): pin for name, pin in metadata["required_packages_version"].items()},
    }
    assert {name: version(name).partition("+")[0] for name in pins} == pins
    asked = [(name, Requirement(text)) for name in pins for text in requires(name) or ()]
    among = [
        (name, one)
        for name, one in asked
        if one.name.lower() in pins and (one.marker is None or one.marker.evaluate())
    ]
    assert len(among) > len(pins) / 2
    assert [
        (name, str(one))
        for name, one in among
        if not one.specifier.contains(pins[one.name.lower()])
    ] == []


def test_every_file_is_small_enough_for_git(machine):
    sizes = {path: path.stat().st_size for path in machine.bundle.rglob("*") if path.is_file()}
    assert max(sizes.values()) > 10 * 2**20  # the weights are among them
    assert [path for path, size in sizes.items() if size > LARGEST] == []


@pytest.mark.parametrize("name", [*JUDGING, "evaluate.json", *TRAINING])
def test_every_config_has_the_ids_that_all_need(machine, name):
    assert {"bundle_root", "device", "dataset_dir", "output_dir", "network_def", "run"} <= config(
        machine, name
    ).keys()


@pytest.mark.parametrize("name", [*JUDGING, "evaluate.json"])
def test_inference_and_evaluation_have_the_ids_of_inference(machine, name):
    wanted = {
        "inferer",
        "evaluator",
        "dataset",
        "preprocessing",
        "postprocessing",
        "handlers",
    }
    assert wanted <= config(machine, name).keys()


@pytest.mark.parametrize("name", TRAINING)
def test_training_has_the_ids_of_training(machine, name):
    trained = config(machine, name)
    assert "val_interval" in trained
    for section, wanted in TRAINING_PARTS.items():
        assert wanted <= trained[section].keys()


@pytest.mark.parametrize("name", TRAINING)
def test_validation_uses_the_evaluator_and_the_interval_of_the_ids(machine, name):
    """MONAI looks only where the handler is named without its module."""
    handlers = config(machine, name)["train"]["handlers"]
    (validation,) = [one for one in handlers if one["_target_"].endswith("ValidationHandler")]
    assert validation["validator"] == "@validate#evaluator"
    assert "@val_interval" in validation["interval"]


@pytest.mark.parametrize("name", [*JUDGING, "evaluate.json", *TRAINING])
def test_the_root_of_a_config_is_the_working_folder_and_no_setting_is_a_path_of_some_machine(
    machine, name
):
    settings = config(machine, name)
    assert settings["bundle_root"] == "."
    assert [
        key
        for key, value in settings.items()
        if isinstance(value, str) and value.startswith(("/", "~"))
    ] == []


def test_the_data_licence_names_the_cases_that_the_model_card_says_were_trained_on(machine):
    card = (machine.bundle / "models" / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| BraTS2021_(\d+) \| ([^|]+?) \|", card, re.M))
    trained = {case for case, role in rows.items() if role != "unseen"}
    assert len(trained) == 6
    assert (
        cases_in((machine.bundle / "docs" / "data_license.txt").read_text(encoding="utf-8"))
        == trained
    )


@pytest.mark.parametrize(
    "text", ["CC BY 4.0", "10.7937/jc8x-9874", "arXiv:2107.02314", "Apache License"]
)
def test_the_data_licence_says_terms_and_source(machine, text):
    assert text in (machine.bundle / "docs" / "data_license.txt").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_network_takes_and_gives_the_shapes_of_the_metadata_in_the_folder_of_the_bundle(
    machine,
):
    machine.monai(
        "verify_net_in_out",
        cwd=machine.bundle,
        net_id="network_def",
        meta_file="configs/metadata.json",
        config_file="configs/inference.json",
    )


@pytest.mark.slow
def test_the_network_takes_and_gives_the_shapes_of_the_metadata_from_any_folder(machine):
    machine.monai(
        "verify_net_in_out",
        net_id="network_def",
        meta_file=machine.bundle / "configs" / "metadata.json",
        config_file=machine.bundle / "configs" / "inference.yaml",
        bundle_root=machine.bundle,
    )
