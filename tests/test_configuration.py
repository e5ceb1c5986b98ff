from pathlib import Path

import pytest

import bundle
from bundle.config_files import bundle_root, stages_of
from bundle.configuration import load_config, parse_settings
from bundle.errors import SetupError, UsageError

CODE = pytest.mark.parametrize(
    "text", ["$__import__('os').getcwd()", "@output_dir", "%metadata.json", "$"]
)
NESTS = pytest.mark.parametrize(
    "nest",
    [
        lambda text: text,
        lambda text: [text],
        lambda text: [1, [text]],
        lambda text: {"key": text},
        lambda text: {text: 1},
        lambda text: [{"key": [{"inner": text}]}],
    ],
    ids=["plain", "in a list", "in two lists", "a value", "a key", "deep"],
)


@CODE
@NESTS
def test_text_that_the_parser_would_evaluate_is_refused(text, nest):
    with pytest.raises(UsageError, match="plain data") as caught:
        load_config("inference.yaml", {"dataset_dir": nest(text)})
    assert caught.value.exit_code == 2
    assert text in str(caught.value)


@CODE
def test_text_that_the_parser_would_evaluate_is_refused_as_an_option(text):
    for option in (f'checkpoint="{text}"', f'roi_size=["{text}"]', f'expert={{a: "{text}"}}'):
        with pytest.raises(UsageError, match="plain data"):
            parse_settings([option])


@pytest.mark.parametrize(
    "name", ["$(x)", "@device", "%inference.yaml::device", "$import os", "a b"]
)
def test_a_path_stays_what_it_is_whatever_its_name(name, tmp_path):
    parser = load_config(
        "inference.yaml", {"dataset_dir": tmp_path / name, "output_dir": Path(name)}
    )
    assert parser.get_parsed_content("dataset_dir") == tmp_path / name
    assert parser.get_parsed_content("output_dir") == Path(name)


def test_a_tuple_of_cases_stays_what_it_is():
    cases = ({"case_id": "$1+1", "image": Path("@device")},)
    assert load_config("inference.yaml", {"cases": cases}).get_parsed_content("cases") == cases


def test_a_setting_replaces_the_one_of_the_config():
    parser = load_config("inference.yaml", {"overlap": 0.125, "roi_size": [64, 96, 128]})
    assert parser.get_parsed_content("sliding").roi_size == (64, 96, 128)
    assert parser.get_parsed_content("sliding").overlap == 0.125


def test_the_root_of_the_bundle_is_where_the_package_lies():
    assert bundle_root() == Path(bundle.__file__).resolve().parents[1]
    assert load_config("inference.yaml", {}).get_parsed_content("bundle_root") == bundle_root()


@pytest.mark.parametrize("key", ["overlapp", "", "inferer#overlap", "settings"])
def test_an_unknown_setting_is_refused(key):
    with pytest.raises(SetupError, match="must have the setting") as caught:
        load_config("inference.yaml", {key: 1})
    assert caught.value.exit_code == 78


def test_a_package_without_its_configs_says_how_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "bundle.config_files.__file__", str(tmp_path / "bundle" / "config_files.py")
    )
    with pytest.raises(SetupError, match="pip install -e"):
        bundle_root()


def test_what_a_user_can_mend_comes_through_the_parser_unwrapped(tmp_path):
    parser = load_config("inference.yaml", {"checkpoint": tmp_path / "nowhere.pt"})
    with pytest.raises(SetupError, match=r"nowhere\.pt"):
        parser.get_parsed_content("handlers")
    with pytest.raises(SetupError, match="gpu"):
        load_config("inference.yaml", {"device_name": "gpu"}).get_parsed_content("device")


def test_other_errors_of_a_component_keep_their_cause():
    parser = load_config("inference.yaml", {})
    parser["inferer"]["mode"] = "no such mode"
    with pytest.raises(RuntimeError) as caught:
        parser.get_parsed_content("inferer")
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("roi_size=[96,64,80]", [96, 64, 80]),
        ("learning_rate=3.0e-3", 0.003),
        ("learning_rate=1e-3", 0.001),
        ("learning_rate=2E4", 20000.0),
        ("epochs=5", 5),
        ("amp=false", False),
        ("checkpoint=runs/a=b.pt", "runs/a=b.pt"),
        ("expert={_target_: torch.nn.Identity}", {"_target_": "torch.nn.Identity"}),
        ("label_convention=", None),
        ("device_name=e5", "e5"),
    ],
)
def test_an_option_is_read_as_yaml(option, value):
    (parsed,) = parse_settings([option]).values()
    assert parsed == value
    assert type(parsed) is type(value)


def test_the_last_of_equal_options_counts():
    assert parse_settings(["epochs=1", "amp=true", "epochs=2"]) == {"epochs": 2, "amp": True}


@pytest.mark.parametrize(
    "option", ["epochs", "=5", "", "a b=1", "inferer#overlap=1", "roi_size=[1,2", "epochs: 5"]
)
def test_an_option_of_another_form_is_refused(option):
    with pytest.raises(UsageError, match="KEY=VALUE") as caught:
        parse_settings([option])
    assert repr(option) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("overlap: 0.25\noverlap: 0.5\n", "the key 'overlap' twice"),
        ("[" * 3000, "nested too deeply"),
        ("- overlap\n", "got list"),
        ("1: 2\n", "YAML mapping of settings"),
        ("", "got NoneType"),
        ("a: [", "YAML mapping"),
        ("overlap: \udcff\n", "YAML mapping"),
    ],
)
def test_an_overlay_that_is_no_mapping_is_refused_in_a_sentence(tmp_path, text, words):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(text, encoding="utf-8", errors="surrogateescape")
    for read in (stages_of, lambda path: load_config("inference.yaml", {}, [path])):
        with pytest.raises(UsageError, match=words) as caught:
            read(overlay)
        assert caught.value.code == "E_OVERLAY"
        assert str(overlay) in str(caught.value)
