"""What is usual in exams is learnt, and what is not is said."""

import math
from dataclasses import replace

import pytest
import torch

from bundle.cases.appearance import Appearance, appearance_of
from bundle.cases.case_record import CaseRecord
from bundle.cases.exam_reference import FEWEST_EXAMS, Usuals
from bundle.cases.likeness import WarnOfUnlikenessd
from bundle.cases.reference_file import load_reference, reference_sha256
from bundle.cases.reference_learning import learn
from bundle.errors import SetupError
from bundle.tasks.default import DEFAULT_TASK
from bundle.volumes.geometry import grid_from_affine
from tests.other_task import LESIONS

M = len(DEFAULT_TASK.modality_names)
ALL = torch.ones(M, dtype=torch.bool)
SHA = "ab" * 32
N = 16


def image(seed, size=48, skews=(0.0, 0.6, 1.2, 1.8)):
    """A round head whose modalities share a pattern and differ in how skewed they are."""
    generator = torch.Generator().manual_seed(seed)
    axis = torch.linspace(-1, 1, size)
    inside = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2) < 0.8
    pattern = torch.randn(size, size, size, generator=generator)
    channels = []
    for m, skew in enumerate(skews):
        noise = torch.randn(size, size, size, generator=generator)
        values = pattern * (1 - m / 3) + noise
        values = torch.exp(skew * values / 2) if skew else values
        values = torch.nn.functional.avg_pool3d(values[None], 3, 1, 1)[0]
        inner = values[inside]
        channels.append(torch.where(inside, (values - inner.mean()) / inner.std(), 0.0))
    return torch.stack(channels)


def looked_at(seed, presence=ALL, **options):
    return appearance_of(
        image(seed, **options) * presence[:, None, None, None], presence, DEFAULT_TASK
    )


@pytest.fixture(scope="module")
def reference():
    return learn([looked_at(seed) for seed in range(N)], SHA, DEFAULT_TASK.name)


def test_scale_and_offset_of_a_scanner_do_not_show():
    one = image(0)
    other = torch.where(one != 0, one * 3 + 50, 0.0)
    a, b = (appearance_of(scan, ALL, DEFAULT_TASK) for scan in (one, other))
    assert a.volume_ml == b.volume_ml
    for name in DEFAULT_TASK.modality_names:
        assert b.alone[name] == pytest.approx(a.alone[name], abs=1e-3)
    assert all(b.pairs[pair] == pytest.approx(a.pairs[pair], abs=1e-2) for pair in a.pairs)


def test_the_volume_is_what_is_inside():
    side = torch.linspace(-1, 1, 48)
    voxels = ((side[:, None, None] ** 2 + side[:, None] ** 2 + side**2) < 0.8).sum()
    assert looked_at(0).volume_ml == pytest.approx(float(voxels) / 1000, rel=0.03)


def test_absent_modalities_take_no_part():
    flags = torch.tensor([True, False, True, True])
    exam = looked_at(0, flags)
    assert exam.modalities == ("t1n", "t2w", "t2f")
    assert set(exam.pairs) == {("t1n", "t2w"), ("t1n", "t2f"), ("t2w", "t2f")}
    assert exam.alone["t2w"] == looked_at(0).alone["t2w"]


def test_a_pair_seen_from_its_other_side_is_the_same_pair():
    usual = Usuals.of([looked_at(seed) for seed in range(FEWEST_EXAMS)])
    exam = looked_at(9)
    there = exam.named({"t1n": "t1c", "t1c": "t1n", "t2w": "t2w", "t2f": "t2f"})
    back = there.named({"t1n": "t1c", "t1c": "t1n", "t2w": "t2w", "t2f": "t2f"})
    assert ("t1c", "t1n") in there.pairs
    assert usual.score(back) == pytest.approx(usual.score(exam))
    assert usual.score(there) < usual.score(exam)


def test_an_exam_like_the_others_raises_nothing(reference):
    assert all(reference.doubts(looked_at(seed)) == () for seed in range(20, 30))


@pytest.mark.parametrize(("one", "other"), [("t1n", "t2f"), ("t1c", "t2w"), ("t1n", "t1c")])
def test_exchanged_names_are_found(reference, one, other):
    names = {name: name for name in DEFAULT_TASK.modality_names} | {one: other, other: one}
    (said,) = [text for text in reference.doubts(looked_at(20).named(names)) if "names" in text]
    assert f"{one} looks like {other}" in said
    assert f"{other} looks like {one}" in said
    assert "check the names of the files" in said


def test_one_modality_under_a_wrong_name_is_found(reference):
    alone = looked_at(20, torch.tensor([True, False, False, False]))
    assert reference.doubts(alone) == ()
    assert any(
        "t2f looks like t1n" in text for text in reference.doubts(alone.named({"t1n": "t2f"}))
    )


def test_a_head_of_another_size_and_other_intensities_are_said(reference):
    small = reference.doubts(looked_at(20, size=30))
    assert any("ml in the 16 exams" in text for text in small)
    odd = reference.doubts(looked_at(20, skews=(4.0, 4.0, 4.0, 4.0)))
    assert any("unlike those of the 16 exams" in text for text in odd)


def test_every_exam_is_measured_by_the_others_alone(reference):
    false, found = reference.measured["false"], reference.measured["found"]
    for counts in false.values():
        assert [counts[str(n)][1] for n in range(1, M + 1)] == [
            N * math.comb(M, n) for n in range(1, M + 1)
        ]
    assert sum(counts[0] for counts in false["names"].values()) == 0
    assert all(tried == N for _, tried in found.values())
    assert found["t1n+t2f"][0] == N
    odd = replace(looked_at(30), volume_ml=5.0)
    measured = learn([*(looked_at(seed) for seed in range(N)), odd], SHA, "x").measured
    assert measured["false"]["volume"]["4"][0] >= 1


def test_a_file_comes_back_as_it_was(reference, tmp_path):
    reference.write(tmp_path / "model.reference.json")
    found = load_reference("auto", tmp_path / "model.pt", SHA, DEFAULT_TASK)
    swapped = looked_at(20).named({"t1n": "t2f", "t1c": "t1c", "t2w": "t2w", "t2f": "t1n"})
    assert found.doubts(swapped) == reference.doubts(swapped) != ()
    assert found.limits == reference.limits
    assert len(reference_sha256(found, "auto", tmp_path / "model.pt")) == 64
    assert reference_sha256(None, "none", tmp_path / "model.pt") is None
    assert load_reference("none", tmp_path / "model.pt", SHA, DEFAULT_TASK) is None


def test_a_file_of_others_is_refused_where_it_was_named(reference, tmp_path):
    reference.write(tmp_path / "model.reference.json")
    named, weights = tmp_path / "model.reference.json", tmp_path / "model.pt"
    assert load_reference("auto", weights, "cd" * 32, DEFAULT_TASK) is None
    with pytest.raises(
        SetupError, match=r"must be of the weights .*Run simmlm reference"
    ) as caught:
        load_reference(named, weights, "cd" * 32, DEFAULT_TASK)
    assert caught.value.code == "E_REFERENCE"
    with pytest.raises(SetupError, match=f"must be of the task {LESIONS.name}"):
        load_reference(named, weights, SHA, LESIONS)
    with pytest.raises(SetupError, match="must be there; it is missing"):
        load_reference(tmp_path / "absent.json", weights, SHA, DEFAULT_TASK)
    for content in (
        "{}",
        '{"usuals": 3}',
        '{"usuals": {"log_volume": [1], "alone": [], "pairs": {}}}',
    ):
        named.write_text(content)
        with pytest.raises(SetupError, match="must be a file of simmlm reference"):
            load_reference(named, weights, SHA, DEFAULT_TASK)


def test_what_is_odd_stands_in_the_record_after_what_stood_there(reference):
    grid = grid_from_affine((48, 48, 48), torch.eye(4).numpy())
    inputs = {name: {"path": name} for name in DEFAULT_TASK.modality_names}
    record = CaseRecord("a", inputs, ("first",), grid).to_json()
    case = {"image": image(20).flip(0), "presence": ALL, "record": record}
    warned = WarnOfUnlikenessd("image", reference=reference)(case)
    warnings = CaseRecord.from_json(warned["record"]).warnings
    assert warnings[0] == "first"
    assert any("looks like" in text for text in warnings[1:])
    same = WarnOfUnlikenessd("image", reference=None)(case)
    assert same["record"] == record


def test_exams_without_a_modality_that_is_usual_are_judged_by_the_rest(reference):
    assert Usuals.of([looked_at(0)]).distance(looked_at(1)) == 0
    assert reference.usuals.best_names(Appearance(100.0, {}, {}))[1] == 0


def test_an_exam_is_held_against_the_limits_of_the_others():
    exams = [looked_at(seed) for seed in range(N)]
    odd = looked_at(40, skews=(4.0, 4.0, 4.0, 4.0))
    with_odd = learn([*exams, odd], SHA, "x")
    assert with_odd.measured["false"]["distance"]["4"][0] == 1
    assert max(with_odd.limits.values()) <= 5  # distances go up to 6


def test_a_modality_that_the_reference_does_not_know_is_not_said_to_be_another(reference):
    known = {name: reference.usuals.alone[name] for name in ("t1c", "t2f")}
    usuals = replace(reference.usuals, alone=known, pairs={})
    only = torch.tensor([name == "t2w" for name in DEFAULT_TASK.modality_names])
    assert usuals.best_names(looked_at(21, only)) == ({}, 0.0)
