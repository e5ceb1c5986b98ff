"""Every setting of every config takes what it may be, and says in one sentence what it may
not be.
"""

import datetime
import math
import re
from pathlib import Path

import pytest

from bundle.config_files import config_files
from bundle.configuration import load_config, parse_settings
from bundle.errors import SetupError, UserError
from bundle.setting_kinds import kind_of
from bundle.settings import SETTINGS, check_settings, kinds_for
from bundle.tasks.default import DEFAULT_TASK

CONFIGS = (
    *("inference.yaml", "evaluate.yaml", "train.yaml", "train_experts.yaml"),
    *(f"avmnist/{name}.yaml" for name in ("train", "train_experts", "evaluate")),
)
EACH_CONFIG = pytest.mark.parametrize("name", CONFIGS)
NO_SETTINGS = {"bundle_root", "displayable_configs"}
ODD_VALUES = [
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        10**400,
        1.5,
        -0.5,
        math.nan,
        math.inf,
        "",
        "abc",
        "a b",
        "\0",
        "\ud800",
        "#",
        "a::b",
    ),
    *(
        [],
        [1],
        [1, 2, 3],
        [0, 96, 96],
        [96.0] * 3,
        [True] * 3,
        ["a"],
        [None],
        [[1]],
        {},
        {"a": 1},
        {"a": "b"},
        {"a": {}},
    ),
    *({1: 2}, datetime.date(2021, 1, 1), b"bytes", {1, 2}),
]
WRONG = {
    "task_name": [3, "", ["brain_tumours"], None],
    "class_task_name": [3, "", ["avmnist"], None],
    "audio_kind": ["mp3", 1, None],
    "image_size": [15, 64.0, [64, 64], None],
    "max_tokens": [0, "all", None],
    "n_buckets": [1, 2**22 + 1, 1.5],
    "dropout": [1, -0.1, "none"],
    "image_weights": [3, ""],
    "text_weights": [3, ""],
    "dataset_dir": [2021, 1.0e5, True, [], "", "a\0b"],
    "output_dir": [2021, None],
    "checkpoint": [3, ["a.pt"], {"a": "model.pt"}],
    "calibration": [3, None, True],
    "exam_reference": [3, None, True],
    "device_name": [3, "", "cuda 0", ["cpu"]],
    "roi_size": [
        96,
        [96, 96],
        [96, 96, 96, 96],
        [96.0, 96, 96],
        ["96", "96", "96"],
        [0, 96, 96],
        [True, True, True],
    ],
    "filters": [8, [8], [8, 0], [8, 16.0], ["8", "16"], [8, True]],
    "spacing": [0, 9, 1.5, "2", True, None],
    "overlap": ["abc", 1.5, 1, -0.1, math.nan, True, None],
    "sw_batch_size": [0, -1, 1.5, True, "1"],
    "mirrored": ["yes", 1],
    "amp": ["false", "true", "Auto", 0, 1, None],
    "runtime": ["onnx", True, None],
    "label_convention": ["brats1999", 2023, None],
    "entropy_per_region": ["yes"],
    "weights_per_region": [1],
    "preview": [[1], "no"],
    "report": ["yes", 1],
    "slicer": [0],
    "dicom": ["seg"],
    "dicom_entropy": [1],
    "on_grid_of": [1, ["t1c"]],
    "bids": ["yes"],
    "overwrite": ["always"],
    "again": ["always"],
    "contributions": ["all", True, None],
    "volumes_per_set": ["always"],
    "case_timeout_s": [0, -1, "long", True],
    "retries": [-1, 1.5, True],
    "stop_after_failures": [0, 1.5, True],
    "shard": ["0/3", "4/3", "3", "a/b", 3],
    "maps_dir": [2021, ""],
    "split_file": [2021],
    "default_maps": ["some", 1, None],
    "patterns": ["t1c=*", ["*"], {"t1c": 1}, {"t1c": ""}, {1: "*"}],
    "part": [2, "", "two words"],
    "empty": ["none", 1],
    "seed": [-1, 2**32, 0.5, "0", True],
    "fold": [-1, 0.0],
    "validation_share": [-0.1, 1.1, "half"],
    "coverage": [0.1, [0.1], {"t1c": 2}, {"t1c": "all"}, {"t1c": True}, {1: 0.5}],
    "trained_experts": ["t1c", [], [1], [""]],
    "start_from": [3, [], [3]],
    "epochs": [0, 1.5, "many"],
    "val_interval": [0],
    "batch_size": [0],
    "mofe_weight": [-1, "x"],
    "learning_rate": [-1e-3, -1, math.inf],
    "warmup_epochs": [-1],
    "weight_decay": [-1],
    "max_gradient_norm": [0],
    "ema_decay": [1, -0.1],
    "mixing_share": [2],
    "cache_rate": [-0.5],
    "cache_dir": [2021],
    "max_cache_gb": [-1],
    "num_workers": [-1, 0.5],
    "time_limit_minutes": [-1, "long"],
}


def settings_of(name: str) -> set[str]:
    """Name the settings of a config: the keys between the headings for settings and components, of
    the config that it is merged over too.
    """
    found: set[str] = set()
    for path in config_files(name):
        text = path.read_text(encoding="utf-8")
        head = text.partition("# ---- Settings")[2].partition("# ---- Components")[0]
        found |= set(re.findall(r"^(\w+):", head, re.M))
    return found - NO_SETTINGS


@EACH_CONFIG
def test_every_setting_has_a_rule_and_is_checked_where_a_run_begins(name):
    config = load_config(name, {}).get()
    settings = settings_of(name)
    assert len(settings) > 10
    assert settings <= SETTINGS.keys()
    assert config["checked_settings"] == {key: f"@{key}" for key in settings}
    assert set(config.get("unused", ())) < settings
    assert config["initialize"][:3] == ["@code", "@one_sentence", "@checked"]


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [("evaluate.yaml", "preview", True), ("train_experts.yaml", "mofe_weight", 0.1)],
)
def test_what_a_config_inherits_and_does_not_use_is_none_of_its_settings(name, key, value):
    with pytest.raises(SetupError, match=f"configs/{name} must have the setting {key}"):
        load_config(name, {key: value})


@EACH_CONFIG
def test_what_is_shipped_is_accepted(name):
    load_config(name, {}).get_parsed_content("checked")


def test_each_rule_has_a_test():
    assert SETTINGS.keys() == WRONG.keys()


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG.items() for value in values], ids=ascii
)
def test_a_wrong_value_is_one_sentence_with_setting_rule_and_value(key, value):
    with pytest.raises(SetupError) as caught:
        check_settings({key: value})
    assert caught.value.code == "E_SETTING"
    rule = kinds_for(DEFAULT_TASK)[key].rule
    assert str(caught.value) == f"{key} must be {rule}; got {value!r}. Change the setting."


@pytest.mark.parametrize(
    ("key", "value"), [(key, values[0]) for key, values in WRONG.items()], ids=ascii
)
def test_no_config_is_opened_with_it(key, value):
    for name in CONFIGS:
        if key in settings_of(name) - set(load_config(name, {}).get().get("unused", ())):
            with pytest.raises(SetupError, match=f"^{key} must be"):
                load_config(name, {key: value})


@pytest.mark.parametrize("key", SETTINGS)
def test_no_value_whatsoever_is_anything_but_accepted_or_an_error_for_the_user(key):
    refused = 0
    for value in ODD_VALUES:
        try:
            check_settings({key: value})
        except UserError:
            refused += 1
    assert refused > len(ODD_VALUES) / 3


@pytest.mark.parametrize(
    ("option", "rule"),
    [
        ("overlap=1.5", "from 0 to less than 1; got 1.5"),
        ("overlap=abc", "got 'abc'"),
        ("roi_size=96", "three whole numbers"),
        ("sw_batch_size=0", "at least 1"),
        ("preview=[1]", "true or false"),
        ("preview=maybe", "true or false"),
        ("label_convention=", "one of"),
        ("device_name=[cpu]", "a word"),
        ("maps_dir=['a']", "a path"),
        ("checkpoint={a: b}", "a path"),
        ("roi_size=2021-01-01", "got datetime.date"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_starts(option, rule):
    with pytest.raises(SetupError, match=re.escape(rule)):
        load_config("inference.yaml", parse_settings([option]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~/run/model.pt", Path.home() / "run" / "model.pt"),
        ("/a: b/model.pt", Path("/a: b/model.pt")),
        ("/a #1/model.pt", Path("/a #1/model.pt")),
        ("a=b, c.pt", Path("a=b, c.pt")),
        ("2021", Path("2021")),
        ("1e5", Path("1e5")),
        ("2021-01-01", Path("2021-01-01")),
        ("./{x}", Path("{x}")),
        ("'quoted # one'", Path("quoted # one")),
        ("on", Path("on")),
        ("~nobody-of-that-name/x", Path("~nobody-of-that-name/x")),
        ("&a *b !c", Path("&a *b !c")),
    ],
)
def test_a_path_is_read_as_it_stands_and_home_is_found(text, expected):
    config = load_config("inference.yaml", parse_settings([f"checkpoint={text}"]))
    assert config.get_parsed_content("checkpoint") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.pt", Path("a.pt")),
        ("[a.pt, ~/b.pt]", (Path("a.pt"), Path.home() / "b.pt")),
        ("null", None),
        ("", None),
    ],
)
def test_several_paths_are_a_list(text, expected):
    config = load_config("train.yaml", parse_settings([f"start_from={text}"]))
    assert config.get_parsed_content("start_from") == expected


def test_a_task_that_is_not_there_is_refused_with_those_that_are():
    for refuse in (lambda value: load_config("train.yaml", value), check_settings):
        with pytest.raises(SetupError, match=r"one of .*brain_tumours") as caught:
            refuse({"task_name": "liver"})
        assert caught.value.code == "E_TASK"


def test_a_numbering_is_one_of_the_task(task_file):
    check_settings({"task_name": task_file, "label_convention": "binary"})
    load_config("train.yaml", {"task_name": str(task_file), "label_convention": "auto"})
    with pytest.raises(SetupError, match="one of auto, binary; got 'brats2021'"):
        load_config("train.yaml", {"task_name": task_file, "label_convention": "brats2021"})


def test_an_overlay_is_held_to_the_same_rules_and_what_it_computes_is_let_alone(tmp_path):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("overlap: 1.5\n", encoding="utf-8")
    with pytest.raises(SetupError, match=r"^overlap must be .*; got 1\.5"):
        load_config("train.yaml", {}, [overlay])
    overlay.write_text("overlap: $1 / 4\nmy_weight: 0.5\nmy_name: x\n", encoding="utf-8")
    assert (
        load_config("train.yaml", {"my_weight": 2}, [overlay]).get_parsed_content("overlap") == 0.25
    )
    for value in ("heavy", True, [1]):
        with pytest.raises(SetupError, match="my_weight must be a number"):
            load_config("train.yaml", {"my_weight": value}, [overlay])


@pytest.mark.parametrize("key", ["network", "n_steps", "n_warmup_steps", "best_checkpoint"])
def test_what_a_config_computes_is_no_setting(key):
    with pytest.raises(SetupError, match=f"{key} must be computed"):
        load_config("train.yaml", {key: 3})


@pytest.mark.parametrize("value", [3, "x", [1], {}, {"a": 1}, None, True])
@pytest.mark.parametrize("key", ["expert", "inferer", "case_runner", "evaluator", "device"])
def test_a_component_is_replaced_by_a_component_only(key, value):
    with pytest.raises(SetupError, match=f"{key} must be a mapping with _target_"):
        load_config("inference.yaml", {key: value})


@pytest.mark.parametrize(
    ("value", "replacement", "accepted"),
    [
        (1, 2, True),
        (1, 2.5, False),
        (1, True, False),
        (1.0, 2, True),
        (True, 1, False),
        ([], [1], True),
        ([], 1, False),
    ],
)
def test_the_kind_of_an_unknown_setting_is_that_of_its_value(value, replacement, accepted):
    assert kind_of(value).accepts(replacement) == accepted
