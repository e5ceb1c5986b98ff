"""What is in the packed bundle, that it is always the same, and that a failure leaves nothing."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import yaml
from monai.bundle import ConfigParser
from typer.testing import CliRunner

from bundle.cases.reference_file import REFERENCES
from bundle.cli.app import app
from bundle.config_files import bundle_root, config_files
from bundle.configuration import load_config
from bundle.errors import OutputError, SetupError
from bundle.files.json_file import parse_json, write_json
from bundle.serving.bundle_archive import GENERATED, NAME, pack
from bundle.serving.task_metadata import metadata_for
from bundle.tasks.default import DEFAULT_TASK
from bundle.weights.calibration import CALIBRATIONS, Calibration
from bundle.weights.checkpoints import export_weights, file_sha256

pytestmark = pytest.mark.slow

ROOT = bundle_root()
TEXT = (".md", ".py", ".yaml", ".json", ".conf", ".txt", ".sh", ".sha256")
SHIPPED = {"filters": [8, 16, 32, 64, 80, 80], "spacing": 1}
"""What the shipped weights tell."""
LINK = re.compile(r"\]\(([^)\s]+)\)")
PERSONAL = re.compile(r"/(home|root|work|mnt|media|tmp|var|Users)/\w|[A-Z]:\\")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def broken_links(folder: Path) -> list[str]:
    """List the relative links of all pages that lead to no file, no folder or no heading below a
    folder.
    """
    pages = {page: page.read_text(encoding="utf-8") for page in folder.rglob("*.md")}
    found = (
        (page, link)
        for page, text in pages.items()
        for link in LINK.findall(text)
        if "://" not in link
    )
    return [
        f"{page.relative_to(folder)}: {link}"
        for page, link in found
        if not leads_somewhere(page, link, folder)
    ]


def leads_somewhere(page: Path, link: str, folder: Path) -> bool:
    name, _, heading = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    return (
        target.is_relative_to(folder.resolve())
        and target.exists()
        and (not heading or heading in headings(target.read_text(encoding="utf-8")))
    )


def headings(text: str) -> set[str]:
    """Name the headings of a page as GitHub does in links."""
    titles = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("packed") / "simmlm.zip"
    pack(target)
    return target


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("packed") / NAME
    pack(target, as_folder=True)
    return target


@pytest.fixture
def unpacked(archive, tmp_path) -> Path:
    """A bundle of its own, to be changed at will."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path / "unpacked")
    return tmp_path / "unpacked" / NAME


@pytest.fixture
def packing_it(unpacked, monkeypatch) -> Path:
    """The unpacked bundle, which ``pack`` takes for the one that it lies in."""
    monkeypatch.setattr(
        "bundle.config_files.__file__", str(unpacked / "bundle" / "config_files.py")
    )
    return unpacked


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file can grow over 1 MB, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_packing_twice_gives_the_same_bytes(archive, tmp_path):
    pack(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_an_unpacked_bundle_packs_to_the_same_bytes(archive, packing_it, tmp_path):
    pack(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_neither_times_nor_permissions_nor_the_order_of_a_listing_change_the_bytes(
    archive, packing_it, tmp_path, monkeypatch
):
    for path in packing_it.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o700)
    in_order: Callable[[Path, str], Iterator[Path]] = Path.glob
    monkeypatch.setattr(
        Path, "glob", lambda self, pattern: sorted(in_order(self, pattern), reverse=True)
    )
    pack(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_zip_and_folder_hold_the_same_files(folder, unpacked):
    assert contents(unpacked) == contents(folder)


def test_the_zip_holds_one_folder_with_files_that_all_may_read(archive):
    with zipfile.ZipFile(archive) as packed:
        entries = packed.infolist()
    assert {entry.filename.partition("/")[0] for entry in entries} == {NAME}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert len({entry.filename for entry in entries}) == len(entries)


def test_the_names_that_pack_gives_are_those_in_the_pack(folder, tmp_path):
    assert pack(tmp_path / "again.zip") == sorted(contents(folder))


def test_the_pack_is_what_git_knows_of_the_bundle_and_the_generated_configs(folder):
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is not a clone")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"]
    listed = subprocess.run(
        [*command, "LICENSE", "bundle", "configs", "docs", "models"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    known = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
    assert set(contents(folder)) == {*known, *(f"configs/{name}.json" for name in GENERATED)}


def test_strange_files_stay_out(archive, packing_it, tmp_path):
    strange = (
        *(
            "models/other.pt",
            "models/model.ts",
            "models/model.onnx",
            "models/experts.state",
            "models/.hidden.md",
        ),
        *(
            "bundle/__pycache__/cli.cpython-311.pyc",
            "bundle/datasets/.listing.py.swp",
            "bundle/.cache/x.py",
        ),
        *("bundle/__pycache__/x.py", "simmlm.egg-info/PKG-INFO", ".git/config", ".venv/lib/x.py"),
        *(
            "configs/private.json",
            "configs/.train.yaml",
            "docs/.draft.md",
            "docs/simmlm.zip",
            "docs/case.nii.gz",
        ),
        *(
            "out/case/case_seg.nii.gz",
            "data/case/case-t1n.nii.gz",
            "README.md",
            "tests/conftest.py",
        ),
    )
    for name in strange:
        (packing_it / name).parent.mkdir(parents=True, exist_ok=True)
        (packing_it / name).write_text("not of the bundle")
    pack(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


@pytest.mark.parametrize("name", GENERATED)
def test_a_changed_json_is_replaced_by_what_the_yaml_says(archive, packing_it, tmp_path, name):
    (packing_it / "configs" / f"{name}.json").write_text("{}")
    pack(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_the_generated_json_is_the_yaml_as_data(folder):
    generated = json.loads((folder / "configs" / "inference.json").read_text(encoding="utf-8"))
    own = yaml.safe_load((ROOT / "configs" / "inference.yaml").read_text(encoding="utf-8"))
    assert generated == {**own, **SHIPPED}


@pytest.mark.parametrize("name", ["evaluate", "train_experts"])
def test_a_config_that_is_merged_over_another_is_packed_as_one_that_stands_alone(folder, name):
    generated = json.loads((folder / "configs" / f"{name}.json").read_text(encoding="utf-8"))
    own = ConfigParser.load_config_files(config_files(f"{name}.yaml"))
    assert generated == {**own, **SHIPPED}


def test_the_train_task_of_monai_label_goes_on_from_the_weights_in_the_pack(folder):
    generated = json.loads((folder / "configs" / "train.json").read_text(encoding="utf-8"))
    own = yaml.safe_load((folder / "configs" / "train.yaml").read_text(encoding="utf-8"))
    assert generated["train"] == own["train"]
    assert generated["start_from"] == "@checkpoint" != own["start_from"]
    assert generated["run"][:2] == own["run"]
    assert "replace_weights" in generated["run"][2]


@pytest.fixture
def lesion_bundle(task_file, tmp_path) -> Path:
    """The bundle packed for a task of one's own, with weights of its network."""
    parser = load_config("inference.yaml", {"task_name": task_file})
    network = parser.get_parsed_content("network_def")
    torch.save(network.state_dict(), tmp_path / "trained.pt")
    export_weights(network, tmp_path / "trained.pt", tmp_path / "my.pt")
    pack(tmp_path / NAME, as_folder=True, task=task_file, checkpoint=tmp_path / "my.pt")
    return tmp_path / NAME


def test_a_bundle_for_another_task_says_so_in_configs_and_metadata(lesion_bundle, task_file):
    configs = lesion_bundle / "configs"
    for name in (*GENERATED, "inference.yaml", "train.yaml"):
        path = configs / (name if name.endswith(".yaml") else f"{name}.json")
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["task_name"] == "lesions"
    assert (configs / "tasks" / "lesions.yaml").read_bytes() == task_file.read_bytes()
    metadata = json.loads((configs / "metadata.json").read_text(encoding="utf-8"))
    formats = metadata["network_data_format"]
    assert formats["inputs"]["image"]["channel_def"] == {"0": "flair", "1": "t1", "2": "t2"}
    assert formats["inputs"]["image"]["num_channels"] == 3
    labels = {"0": "background", "1": "lesion"}
    assert formats["outputs"]["pred"]["channel_def"] == labels
    assert formats["post_processed_outputs"]["pred"]["channel_def"] == labels
    assert formats["post_processed_outputs"]["pred"]["value_range"] == [0, 1]
    assert metadata["label_classes"] == "single channel: 0 background, 1 lesion"
    assert re.search(r"glioma|tumour|BraTS", json.dumps(metadata)) is None


def test_a_bundle_for_another_task_holds_its_weights_and_a_card_of_their_own(lesion_bundle):
    digest = (lesion_bundle / "models" / "model.pt.sha256").read_text().split()[0]
    assert digest == file_sha256(lesion_bundle / "models" / "model.pt")
    assert digest in (lesion_bundle / "models" / "README.md").read_text(encoding="utf-8")
    assert broken_links(lesion_bundle) == []


@pytest.mark.parametrize("kind", [CALIBRATIONS, REFERENCES], ids=lambda kind: kind.setting)
def test_what_was_learnt_of_weights_goes_with_them(tmp_path, kind):
    weights = tmp_path / "model.pt"
    for ending in ("", ".sha256"):
        shutil.copy(ROOT / "models" / f"model.pt{ending}", f"{weights}{ending}")
    of_regions = {region: {"4": 2.0} for region in DEFAULT_TASK.region_names}
    learnt = {
        CALIBRATIONS: asdict(Calibration("", "brain_tumours", 8, of_regions, of_regions, 0.8)),
        REFERENCES: parse_json((ROOT / "models" / "model.reference.json").read_bytes()),
    }
    for sha256, expected in ((file_sha256(weights), True), ("ab" * 32, False)):
        write_json(kind.path(weights), {**learnt[kind], "weights_sha256": sha256})
        packed = f"models/model{kind.ending}"
        names = pack(tmp_path / f"{expected}", as_folder=True, checkpoint=weights)
        assert (packed in names) == expected
        assert (tmp_path / f"{expected}" / packed).exists() == expected


def test_weights_of_other_widths_and_voxels_are_packed_with_them(tmp_path):
    settings = {"filters": [4, 6, 5], "spacing": 2, "start_from": None}
    network = load_config("train.yaml", settings).get_parsed_content("initial")
    torch.save(network.state_dict(), tmp_path / "trained.pt")
    export_weights(network, tmp_path / "trained.pt", tmp_path / "my.pt")
    pack(tmp_path / NAME, as_folder=True, checkpoint=tmp_path / "my.pt")
    for name in GENERATED:
        config = parse_json((tmp_path / NAME / "configs" / f"{name}.json").read_bytes())
        assert (config["filters"], config["spacing"]) == ([4, 6, 5], 2)


def test_the_shipped_metadata_are_those_of_the_default_task(folder):
    metadata = json.loads((folder / "configs" / "metadata.json").read_text(encoding="utf-8"))
    described = metadata_for(DEFAULT_TASK, metadata)
    for key in ("network_data_format", "label_classes", "pred_classes"):
        assert described[key] == metadata[key]


def test_a_task_named_like_one_of_the_bundle_is_not_packed(task_file, tmp_path):
    text = task_file.read_text().replace("name: lesions", "name: brain_tumours")
    task_file.write_text(text)
    parser = load_config("inference.yaml", {"task_name": task_file})
    network = parser.get_parsed_content("network_def")
    torch.save(network.state_dict(), tmp_path / "trained.pt")
    export_weights(network, tmp_path / "trained.pt", tmp_path / "my.pt")
    with pytest.raises(SetupError, match="Change its name"):
        pack(tmp_path / "out.zip", task=task_file, checkpoint=tmp_path / "my.pt")
    assert not (tmp_path / "out.zip").exists()


def test_weights_of_another_task_are_refused_and_nothing_is_written(task_file, tmp_path):
    with pytest.raises(SetupError, match=r"model\.pt"):
        pack(tmp_path / "out.zip", task=task_file)
    assert not (tmp_path / "out.zip").exists()


def test_there_is_one_file_of_weights_and_its_checksum(folder):
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*.pt")] == [
        "models/model.pt"
    ]
    assert (folder / "models" / "model.pt.sha256").is_file()


def test_every_link_of_a_packed_page_leads_to_something_in_the_pack(folder):
    assert broken_links(folder) == []


@pytest.mark.parametrize(
    "link", ["../../README.md", "missing.md", "../README.md", "training.md#no-such-part"]
)
def test_a_link_that_leads_nowhere_is_seen(unpacked, link):
    with (unpacked / "docs" / "beware.md").open("a", encoding="utf-8") as page:
        page.write(f"[there]({link})\n")
    (unpacked.parent / "README.md").write_text("outside")
    assert broken_links(unpacked) == [f"docs/beware.md: {link}"]


def test_no_packed_text_names_a_folder_of_somebodys_machine(folder):
    texts = {
        name: text.decode()
        for name, text in contents(folder).items()
        if name.endswith((*TEXT, "LICENSE"))
    }
    assert len(texts) > 100
    assert {
        name: found[0] for name, text in texts.items() if (found := PERSONAL.search(text))
    } == {}


@pytest.mark.parametrize("text", ["/home/ada/data", r"C:\Users\ada", "see /mnt/x", "/media/ada"])
def test_a_folder_of_somebodys_machine_is_seen(text):
    assert PERSONAL.search(text)


def damage(bundle: Path) -> None:
    with (bundle / "models" / "model.pt").open("r+b") as file:
        file.seek(10_000_000)
        file.write(b"damaged")


def lose_the_checksum(bundle: Path) -> None:
    (bundle / "models" / "model.pt.sha256").unlink()


@pytest.mark.parametrize("as_folder", [False, True], ids=["zip", "folder"])
@pytest.mark.parametrize("spoil", [damage, lose_the_checksum])
def test_weights_that_do_not_fit_their_checksum_are_refused_and_nothing_is_written(
    packing_it, tmp_path, spoil, as_folder
):
    spoil(packing_it)
    (tmp_path / "out").mkdir()
    with pytest.raises(SetupError, match=r"model\.pt") as refused:
        pack(tmp_path / "out" / "simmlm", as_folder=as_folder)
    assert refused.value.code == "E_WEIGHTS_CHECKSUM"
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
def test_an_unpacked_bundle_with_damaged_weights_refuses_to_pack_itself(unpacked, tmp_path):
    damage(unpacked)
    result = subprocess.run(
        [sys.executable, "-m", "bundle.cli", "pack", "-o", tmp_path / "again.zip"],
        cwd=unpacked,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 78
    assert result.stderr.startswith(f"E_WEIGHTS_CHECKSUM: The weights {unpacked}/models/model.pt")
    assert not (tmp_path / "again.zip").exists()


def test_a_folder_that_exists_is_refused_and_stays_as_it_is(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(OutputError, match="must not exist"):
        pack(tmp_path / "mine", as_folder=True)
    assert contents(tmp_path) == {"mine/notes.txt": b"keep"}


@pytest.mark.parametrize("as_folder", [False, True], ids=["zip", "folder"])
def test_a_full_disk_is_an_output_error_and_nothing_is_left(tmp_path, small_disk, as_folder):
    with pytest.raises(OutputError, match=r"simmlm.* must be writable"):
        pack(tmp_path / "simmlm", as_folder=as_folder)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_the_older_zip(archive, tmp_path, small_disk):
    (tmp_path / "simmlm.zip").symlink_to(archive)
    before = archive.read_bytes()
    with pytest.raises(OutputError, match="larger than the system allows"):
        pack(tmp_path / "simmlm.zip")
    assert contents(tmp_path) == {"simmlm.zip": before}


def foreign_zip(path: Path, names: tuple[str, ...]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "mine")


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b"thesis"),
        lambda path: path.write_bytes(b""),
        lambda path: foreign_zip(path, ("holiday.jpg",)),
        lambda path: foreign_zip(path, ("simmlm/notes.txt",)),
        lambda path: foreign_zip(path, ("simmlm/configs/metadata.json", "holiday.jpg")),
        lambda path: path.mkdir(),
        lambda path: path.write_bytes(b"PK\x03\x04" + bytes(40)),
    ],
    ids=["text", "empty", "other zip", "same folder", "more than a pack", "folder", "damaged"],
)
def test_a_file_of_somebody_else_is_refused_and_stays_as_it_is(tmp_path, write):
    write(tmp_path / "simmlm.zip")
    before = contents(tmp_path)
    with pytest.raises(OutputError, match="must be new or an earlier pack") as refused:
        pack(tmp_path / "simmlm.zip")
    assert (refused.value.code, refused.value.exit_code) == ("E_EXISTS", 74)
    assert contents(tmp_path) == before


def test_an_earlier_pack_is_replaced(archive, unpacked, tmp_path):
    with zipfile.ZipFile(tmp_path / "simmlm.zip", "w") as older:
        for path in (unpacked / "configs").iterdir():
            older.write(path, f"{NAME}/configs/{path.name}")
    pack(tmp_path / "simmlm.zip")
    assert (tmp_path / "simmlm.zip").read_bytes() == archive.read_bytes()


@pytest.mark.parametrize("as_folder", [False, True], ids=["zip", "folder"])
def test_what_a_killed_run_left_beside_the_target_goes_and_what_others_have_there_stays(
    tmp_path, as_folder
):
    left, others, below = (
        tmp_path / ".simmlm-left",
        tmp_path / ".others",
        tmp_path / "sub" / ".simmlm-theirs",
    )
    for folder in (left, others, below):
        folder.mkdir(parents=True)
        os.utime(folder, (1, 1))
    pack(tmp_path / "simmlm", as_folder=as_folder)
    assert not left.exists()
    assert others.exists()
    assert below.exists()


def test_a_link_is_no_place_for_a_folder(tmp_path):
    (tmp_path / "simmlm").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="must not exist yet"):
        pack(tmp_path / "simmlm", as_folder=True)


@pytest.mark.parametrize("options", [[], ["--folder"]], ids=["zip", "folder"])
@pytest.mark.parametrize("name", ["no/such/simmlm", "file/simmlm", "taken"])
def test_a_target_that_cannot_be_written_exits_with_74_and_nothing_is_left(tmp_path, name, options):
    (tmp_path / "file").write_bytes(b"a file")
    (tmp_path / "taken").mkdir()
    result = CliRunner().invoke(app, ["pack", "-o", str(tmp_path / name), *options])
    assert result.exit_code == 74
    assert f"{tmp_path / name}" in result.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "taken"]


def test_the_command_says_where_and_how_much_it_packed(archive, tmp_path):
    result = CliRunner().invoke(app, ["pack", "-o", str(tmp_path / "simmlm.zip")])
    with zipfile.ZipFile(archive) as packed:
        expected = f"{tmp_path / 'simmlm.zip'}: {len(packed.namelist())} files\n"
    assert (result.exit_code, result.stdout) == (0, expected)
    assert (tmp_path / "simmlm.zip").read_bytes() == archive.read_bytes()


def test_the_command_exits_with_78_for_weights_that_do_not_fit(packing_it, tmp_path):
    damage(packing_it)
    result = CliRunner().invoke(app, ["pack", "-o", str(tmp_path / "simmlm.zip")])
    assert result.exit_code == 78
    assert not (tmp_path / "simmlm.zip").exists()


def test_the_command_exits_with_2_without_a_target():
    assert CliRunner().invoke(app, ["pack"]).exit_code == 2
