"""What commands have in common: how data, patterns and paths are given."""

import shutil

import pytest

from bundle.cli.options import all_settings, expanded
from bundle.configuration import load_config
from bundle.datasets.labelled_cases import divide_labelled
from bundle.names.patterns import pattern_setting
from tests.datasets.sample_datasets import stripes, write_case
from tests.test_bad_input import call, options

COMMANDS = {
    "segment": ["--out", "out"],
    "data": [],
    "train": ["--out", "out"],
    "evaluate": ["--out", "out"],
    "split": ["--out", "split.json", "--test", "0", "--validation", "0.5"],
    "ask": ["http://127.0.0.1:9", "--out", "out"],
}
EACH = pytest.mark.parametrize("command", COMMANDS)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def renamed(tmp_path):
    """Two labelled cases whose images have names of their own."""
    for number in range(2):
        folder = write_case(
            tmp_path / "home" / "cases" / f"c{number}", seed=number, label=stripes(0, 1, 2, 3)
        )
        (folder / f"c{number}-t1c.nii.gz").rename(folder / f"post@#{number}.nii.gz")
        for modality in ("t1n", "t2w", "t2f"):
            (folder / f"c{number}-{modality}.nii.gz").unlink()
    return tmp_path / "home" / "cases"


@EACH
def test_data_may_be_named_by_position_or_by_option(command):
    results = [
        call(command, *COMMANDS[command], *how) for how in (["nowhere"], ["--data", "nowhere"])
    ]
    assert [result.exit_code for result in results] == [2, 2]
    assert results[0].output == results[1].output
    assert "E_FOLDER" in results[0].output


@EACH
@pytest.mark.parametrize("arguments", [["a", "--data", "b"], ["--data", "a", "--data", "b"]])
def test_data_named_twice_are_refused_with_both_names(command, arguments):
    result = call(command, *COMMANDS[command], *arguments)
    assert result.exit_code == 2
    assert "E_USAGE" in result.output
    assert "got a and b" in result.output


@EACH
def test_data_that_are_not_named_are_a_usage_error_that_says_how(command):
    result = call(command, *COMMANDS[command])
    assert result.exit_code == 2
    assert "E_USAGE" in result.output
    assert "SOURCE" in result.output


@EACH
@pytest.mark.parametrize("spelling", ["--data=~/nowhere", "~/nowhere"])
def test_the_home_of_a_user_is_known_where_no_shell_replaces_it(command, spelling, tmp_path):
    result = call(command, *COMMANDS[command], spelling)
    assert result.exit_code == 2
    assert str(tmp_path / "home" / "nowhere") in result.output


@EACH
def test_every_command_that_lists_cases_reads_patterns(command, renamed):
    result = call(command, *COMMANDS[command], renamed, "--pattern", "t3=*")
    assert result.exit_code == 2
    assert "E_PATTERN" in result.output


@pytest.mark.parametrize(
    ("command", "option", "setting"),
    [
        ("segment", ["--checkpoint", "a.pt"], "checkpoint=b.pt"),
        ("evaluate", ["--checkpoint", "a.pt"], "checkpoint=b.pt"),
        ("evaluate", ["--split", "a.pt"], "split_file=b.pt"),
        ("train", ["--split", "a.pt"], "split_file=b.pt"),
        ("train", ["--epochs", "7"], "epochs=9"),
    ],
)
def test_a_setting_that_is_also_given_by_its_option_is_refused_with_both_values(
    renamed, command, option, setting
):
    result = call(command, renamed, "--out", "out", *option, "--set", setting)
    name, _, value = setting.partition("=")
    assert result.exit_code == 2
    assert (
        f"{name} must be given once; got {option[1]} by its own option and {value} by --set"
        in result.output
    )


def test_a_set_value_replaces_what_an_option_has_by_default():
    assert all_settings({"device_name": "auto"}, {"checkpoint": None}, ["device_name=cpu"]) == {
        "device_name": "cpu"
    }


def test_results_go_to_the_home_of_a_user_too(renamed, tmp_path):
    result = call(
        "split", renamed, *COMMANDS["split"][2:], "--pattern", "t1c=post*", "--out=~/s.json"
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "home" / "s.json").is_file()
    found = call("data", "--data=~/cases", "--pattern=t1c=post*", "--json=~/found.json")
    assert found.exit_code == 0, found.output
    assert (tmp_path / "home" / "found.json").is_file()


@pytest.mark.slow
def test_training_and_evaluation_find_files_by_patterns(phantom_folder, tiny_settings, tmp_path):
    data = shutil.copytree(phantom_folder, tmp_path / "home" / "cases")
    for image in data.glob("*/*-t1c.nii.gz"):
        image.rename(image.with_name("after.nii.gz"))
    given = [data, "--pattern", "t1ce=after*"]
    tiny = ["--set", "num_workers=0", "--set", "amp=false", "--epochs", "1"]
    small = options(
        {
            name: value
            for name, value in tiny_settings.items()
            if name in ("expert", "roi_size", "device_name")
        }
    )
    trained = call("train", *given, "--out=~/run", "--experts", "t1c", *tiny, *small)
    assert trained.exit_code == 0, trained.output
    assert (tmp_path / "home" / "run" / "experts.pt").is_file()
    judged = call("evaluate", *given, "--out=~/judged", *options(tiny_settings))
    assert judged.exit_code == 0, judged.output
    assert "2 cases: 2 judged" in judged.output


@pytest.mark.parametrize(
    "name", ["evaluate.yaml", "train.yaml", "train_experts.yaml", "inference.yaml"]
)
@pytest.mark.parametrize("glob", ["post*", "*@#*", "post@#?.nii.gz"])
def test_a_pattern_reaches_the_configs_as_it_was_given(renamed, name, glob):
    config = load_config(
        name, {"dataset_dir": renamed, "patterns": pattern_setting([f"t1ce={glob}"])}
    )
    cases = config.get_parsed_content("cases" if name == "inference.yaml" else "labelled")
    assert [case["case_id"] for case in cases] == ["c0", "c1"]
    given = [
        case.get("patterns", {}).get("t1c") == glob or list(case["image"]) == ["t1c"]
        for case in cases
    ]
    assert given == [True, True]


@pytest.mark.parametrize(
    "name", ["evaluate.yaml", "train.yaml", "train_experts.yaml", "inference.yaml"]
)
def test_a_mapping_written_in_a_config_is_a_pattern_too(renamed, name):
    config = load_config(name, {"dataset_dir": renamed, "patterns": {"t1c": "post*"}})
    assert len(config.get_parsed_content("cases" if name == "inference.yaml" else "labelled")) == 2


def test_training_without_an_own_list_of_cases_reads_patterns(renamed):
    training, validation = divide_labelled(renamed, {"t1c": "post*"}, validation_share=0.5)
    assert [list(case["image"]) for case in (*training, *validation)] == [["t1c"], ["t1c"]]


def test_no_pattern_is_no_setting():
    assert pattern_setting([]) is None


def test_what_is_no_home_stays_as_it_was(tmp_path):
    assert expanded(None) is None
    assert expanded("a~b") == "a~b"
    assert expanded("~nobody-of-that-name/x") == "~nobody-of-that-name/x"
    assert expanded(["~/a", "b"]) == [str(tmp_path / "home" / "a"), "b"]
