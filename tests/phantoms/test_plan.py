"""A phantom is declared in the task's file; what is declared wrongly is said by its key."""

import copy
from dataclasses import replace

import pytest

from bundle.errors import SetupError, UsageError
from bundle.phantoms.masses import Masses
from bundle.phantoms.phantom_cases import draw_phantom, write_phantoms
from bundle.phantoms.plan import read_plan
from bundle.tasks.task_file import load_task, task_names

MASSES = {
    "kind": "masses",
    "radius_mm": [5, 22],
    "rim_mm": [2.5, 6.5],
    "without_rim": 0.18,
    "solid": 0.07,
    "second": 0.2,
    "second_radius_mm": [4, 7],
    "push": 0.45,
    "layers": {
        "halo": {"tissue": "lesion"},
        "core": {"tissue": "lesion", "label": 1},
        "rim": {"tissue": "lesion"},
    },
}


def declared(*keys, value=None):
    """Return the task ms_lesions with one value of its phantom replaced, or left out."""
    task = load_task("ms_lesions")
    phantom = copy.deepcopy(task.phantom)
    place = phantom
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    return replace(task, phantom=phantom)


@pytest.mark.parametrize("name", task_names())
def test_every_task_of_the_bundle_can_be_drawn(name):
    task = load_task(name)
    plan = read_plan(task)
    labels = {layer.label for kind in plan.lesions for layer in kind.layers.values()}
    assert labels == {label.value for label in task.labels}
    for values in plan.signals.values():
        assert tuple(values) == task.modality_names


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        (
            ["jitter"],
            None,
            "phantom must have signals, jitter, .* and may have varied, .*; got no jitter",
        ),
        (["jiter"], 0.1, r"phantom must have .* got also jiter\. Correct"),
        (["jitter"], "little", "phantom.jitter must be a number from 0 to 0.5; got little"),
        (["jitter"], float("nan"), "phantom.jitter must be a number"),
        (["jitter"], True, "phantom.jitter must be a number"),
        (["mottle"], [0.1, 0.02], "phantom.mottle must be two numbers from 0 to 1, the smaller"),
        (["mottle"], 0.1, "phantom.mottle must be two numbers"),
        (["mottle"], ["a", "b"], "phantom.mottle must be two numbers"),
        (["signals"], [1], "phantom.signals must map keys to values"),
        (["signals", "white"], None, "phantom.signals must have fluid, white, .*; got no white"),
        (["signals", "bone"], {}, "phantom.signals must have fluid, .* got also bone"),
        (["signals", "white", "t1"], None, "signals.white must have flair, t1, t2; got no t1"),
        (["signals", "white", "t1"], -1, "phantom.signals.white.t1 must be a number from 0 to"),
        (["varied", "bone"], {}, "phantom.varied may have only fluid, .*; got also bone"),
        (["varied", "fluid", "t1"], [2], "phantom.varied.fluid.t1 must be two numbers"),
        (
            ["varied", "fluid", "pet"],
            [1, 2],
            "phantom.varied.fluid may have only flair, t1, t2; got also pet",
        ),
        (["lesions"], {"kind": "ovoids"}, "phantom.lesions must be a list"),
        (["lesions", 0], "ovoids", r"phantom.lesions\[0\] must map keys to values; got ovoids"),
        (["lesions", 0, "kind"], None, r"lesions\[0\].kind must be one of masses, ovoids, ageing"),
        (["lesions", 0, "kind"], "blobs", r"lesions\[0\].kind must be one of .* got blobs"),
        (["lesions", 0, "kind"], ["ovoids"], r"lesions\[0\].kind must be one of"),
        (["lesions", 0, "number"], [5, 1000], r"phantom.lesions\[0\].number must be two numbers"),
        (
            ["lesions", 0, "size"],
            3,
            r"phantom.lesions\[0\] must have kind, number, .*; got also size",
        ),
        (
            ["lesions", 0, "places"],
            {"skull": 1},
            r"places may have only ventricles, white, anywhere; got also skull",
        ),
        (["lesions", 0, "places"], {"white": 0}, r"places must have a share above 0"),
        (["lesions", 0, "layers"], {}, r"phantom.lesions\[0\].layers must have body; got no body"),
        (["lesions", 0, "layers", "body", "label"], 2, r"body.label must be one of 1; got 2"),
        (["lesions", 0, "layers", "body", "tissue"], 2, r"body.tissue must be text; got 2"),
        (
            ["lesions", 0, "layers", "body", "tissue"],
            "pus",
            "signals must have .*; got no pus, also lesion",
        ),
        (
            ["confounders", 0, "layers", "spots", "label"],
            1,
            r"spots must have tissue; got also label",
        ),
        (["namings"], {}, "phantom.namings.NAME must say how files are called"),
        (
            ["namings", "plain", "case"],
            "phantom",
            "plain.case must be a file name with one {number}",
        ),
        (["namings", "plain", "case"], "../{number}", "plain.case must be a file name"),
        (["namings", "plain", "separator"], "/", "plain.suffixes must give every file a name"),
        (["namings", "plain", "suffixes", "t1"], "flair", "suffixes must give every file a name"),
        (["namings", "plain", "suffixes", "t1"], "seg", "suffixes must give every file a name"),
        (
            ["namings", "plain", "suffixes", "t1"],
            None,
            "suffixes must have flair, t1, t2; got no t1",
        ),
        (["namings", "plain", "numbering"], "brats", "numbering must be one of plain; got brats"),
    ],
)
def test_what_is_declared_wrongly_is_refused_by_its_key(keys, value, words):
    with pytest.raises(SetupError, match=words) as caught:
        read_plan(declared(*keys, value=value))
    assert caught.value.code == "E_TASK"
    assert str(caught.value).startswith("Task ms_lesions: phantom")


def test_a_task_without_a_phantom_is_not_drawn_and_says_where_to_read_how(tmp_path):
    task = replace(load_task("ms_lesions"), phantom={})
    with pytest.raises(UsageError, match=r"must declare a phantom .* docs/tasks\.md") as caught:
        write_phantoms(tmp_path / "new", n_cases=1, seed=0, task=task)
    assert caught.value.code == "E_PHANTOM"
    assert not (tmp_path / "new").exists()


def test_a_wrong_declaration_is_refused_before_anything_is_drawn_or_written(tmp_path):
    task = declared("mottle", value=3)
    with pytest.raises(SetupError, match="mottle"):
        draw_phantom(0, task=task)
    with pytest.raises(SetupError, match="mottle"):
        write_phantoms(tmp_path / "new", n_cases=1, seed=0, task=task)
    assert not (tmp_path / "new").exists()


def test_a_kind_of_lesion_serves_any_task():
    task = declared("lesions", value=[MASSES])
    assert isinstance(read_plan(task).lesions[0], Masses)
    phantom = draw_phantom(3, (32, 37, 34), task=task)
    assert phantom.label.any()


def test_what_may_be_left_out_is_drawn_without():
    task = load_task("ms_lesions")
    painted = {"fluid", "white", "grey", "deep", "stem", "plexus", "vessel", "lesion"}
    phantom = {key: task.phantom[key] for key in ("jitter", "mottle", "lesions", "namings")}
    phantom["signals"] = {tissue: task.phantom["signals"][tissue] for tissue in painted}
    task = replace(task, phantom=phantom)
    plan = read_plan(task)
    assert (plan.varied, plan.confounders) == ({}, ())
    assert draw_phantom(3, (32, 37, 34), task=task).label.any()


def test_files_are_called_as_the_naming_says():
    naming = read_plan(load_task("brain_tumours")).namings["brats2021"]
    assert naming.case_name(7) == "phantom_00007"
    assert naming.file_name(7, naming.suffixes["t1c"]) == "phantom_00007_t1ce.nii.gz"
    assert naming.label == "seg"
