"""Phantoms of ms_lesions: many small lesions, which no modality shows without confounders."""

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import binary_dilation, label

from bundle.errors import UsageError
from bundle.phantoms.anatomy import CENTRE, draw_brain
from bundle.phantoms.lesion_kind import Layer
from bundle.phantoms.ovoids import Ovoids
from bundle.phantoms.phantom_cases import Phantom, draw_phantom, write_phantoms
from bundle.phantoms.shapes import Grid
from bundle.tasks.task_file import load_task

TASK = load_task("ms_lesions")
SHAPE = (48, 56, 41)
SMALL = (32, 37, 34)


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return [draw_phantom(seed, SHAPE, task=TASK) for seed in range(8)]


@pytest.fixture(scope="module")
def brain():
    """A brain on voxels of 2 mm, and its grid."""
    axes = [np.arange(-n, n, 2.0) for n in (74, 92, 76)]
    points = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    grid = Grid(points + np.array(CENTRE, np.float32).reshape(3, 1, 1, 1), 0.5)
    return grid, draw_brain(grid, grid.points, np.random.default_rng(0))


def ovoids(**changed):
    values = {
        "layers": {"body": Layer("lesion", 1)},
        "number": (20, 20),
        "radius_mm": (2, 6),
        "elongation": (1, 2),
        "places": {"white": 1.0},
    }
    return Ovoids(**values | changed)


def drawn(brain, kind, seed=1):
    grid, anatomy = brain
    return kind.draw(grid, grid.points, anatomy, [], np.random.default_rng(seed))["body"]


def contrast(phantoms, modality):
    """Average over cases how much brighter lesions are than the brain around them, in standard
    deviations of the brain.
    """
    differences = []
    for phantom in phantoms:
        image, lesions = phantom.images[modality].astype(float), phantom.label > 0
        around = binary_dilation(lesions, iterations=2) & ~lesions & (image > 0)
        spread = image[image > 0].std()
        differences.append((image[lesions].mean() - np.median(image[around])) / spread)
    return np.mean(differences)


def test_lesions_are_bright_on_flair_and_t2_and_slightly_dark_on_t1(phantoms):
    assert contrast(phantoms, "flair") > 1.5
    assert 0.3 < contrast(phantoms, "t2") < contrast(phantoms, "flair")
    assert -0.8 < contrast(phantoms, "t1") < -0.05


def test_every_case_has_lesions_and_each_lies_in_the_brain(phantoms):
    for phantom in phantoms:
        assert set(np.unique(phantom.label)) == {0, 1}
        for image in phantom.images.values():
            assert (image[phantom.label > 0] > 0).all()


def test_lesions_are_many_and_small(phantoms):
    counts = [label(phantom.label)[1] for phantom in phantoms]
    assert max(counts) > 2 * min(counts)
    assert min(counts) >= 3
    assert max(counts) <= 40
    for phantom in phantoms:
        assert (phantom.label > 0).sum() < 0.03 * (phantom.images["t1"] > 0).sum()


@pytest.mark.parametrize("modality", ["flair", "t2"])
def test_no_threshold_of_one_modality_finds_the_lesions(phantoms, modality):
    """Spots, artefacts and spaces are as bright as the median lesion, and as many."""
    confounded = []
    for phantom in phantoms:
        image, lesions = phantom.images[modality], phantom.label > 0
        healthy = image[~lesions & (image > 0)]
        confounded.append((healthy > np.median(image[lesions])).sum() / lesions.sum())
    assert np.mean(confounded) > 0.25


def test_what_confounds_one_modality_is_told_by_another():
    signals = TASK.phantom["signals"]
    lesion, white = signals["lesion"], signals["white"]
    assert min(signals[name]["flair"] for name in ("artefact", "spots")) >= lesion["flair"]
    assert abs(signals["artefact"]["t2"] - white["t2"]) < abs(lesion["t2"] - white["t2"]) / 10
    assert abs(signals["spots"]["t1"] - white["t1"]) < abs(lesion["t1"] - white["t1"]) / 4
    assert signals["space"]["t2"] >= lesion["t2"]
    assert signals["space"]["flair"] < white["flair"] < lesion["flair"]


def test_the_number_of_lesions_is_that_of_the_declaration(brain):
    alone = drawn(brain, ovoids(number=(1, 1)))
    assert label(alone > 0.5)[1] == 1
    assert drawn(brain, ovoids(number=(0, 0))).max() == 0


def test_lesions_around_the_ventricles_lie_nearer_to_them(brain):
    _, anatomy = brain
    near = drawn(brain, ovoids(places={"ventricles": 1.0})) > 0.5
    far = drawn(brain, ovoids(places={"white": 1.0})) > 0.5
    assert np.median(anatomy.ventricles[near]) < 9 < np.median(anatomy.ventricles[far])
    assert (anatomy.ventricles[near | far] > -1).all()


def test_lesions_in_white_matter_stay_there_and_others_may_lie_anywhere_in_the_brain(brain):
    _, anatomy = brain
    white = drawn(brain, ovoids(number=(60, 60))) > 0.5
    anywhere = drawn(brain, ovoids(number=(60, 60), places={"anywhere": 1.0})) > 0.5
    assert anatomy.white[white].min() > 0.4
    assert (anatomy.white[anywhere] < 0.2).any()
    assert (anatomy.depth[anywhere] > 0).all()


def test_lesions_point_away_from_the_ventricles(brain):
    """Along the normal of the ventricles' surface they reach farther than across it."""
    _, anatomy = brain
    kind = ovoids(number=(1, 1), radius_mm=(5, 5), elongation=(2, 2), places={"ventricles": 1.0})
    outwards = np.array(np.gradient(anatomy.ventricles))
    ratios = []
    for seed in range(12):
        voxels = np.argwhere(drawn(brain, kind, seed) > 0.5)
        centre = voxels.mean(0)
        axis = outwards[(slice(None), *np.rint(centre).astype(int))]
        along = (voxels - centre) @ (axis / np.linalg.norm(axis))
        across = np.sqrt((((voxels - centre) ** 2).sum(1) - along**2) / 2)
        ratios.append(along.std() / np.sqrt((across**2).mean()))
    assert np.median(ratios) > 1.2


def test_a_lesion_is_never_smaller_than_a_grid_can_show(brain):
    tiny = drawn(brain, ovoids(number=(10, 10), radius_mm=(0.5, 0.5), elongation=(1, 1)))
    assert 5 <= label(tiny > 0.5)[1] <= 10


def test_a_longer_run_extends_a_shorter_one_and_the_files_are_called_as_declared(tmp_path):
    short = write_phantoms(tmp_path / "a", n_cases=1, seed=7, shape=SMALL, task=TASK)
    long = write_phantoms(tmp_path / "b", n_cases=2, seed=7, shape=SMALL, task=TASK)
    names = [f"phantom-00001_{end}.nii.gz" for end in ("FLAIR", "T1", "T2", "seg")]
    assert sorted(path.name for path in short[0].iterdir()) == names
    for name in names:
        assert (short[0] / name).read_bytes() == (long[0] / name).read_bytes()
    seg = np.asarray(nib.load(short[0] / names[-1]).dataobj)
    assert np.array_equal(seg, draw_phantom((7, 1), SMALL, task=TASK).label)


def test_modalities_and_namings_are_those_of_the_task(tmp_path):
    (case,) = write_phantoms(
        tmp_path, n_cases=1, seed=7, shape=SMALL, task=TASK, modalities=["t2"], with_label=False
    )
    assert [path.name for path in case.iterdir()] == ["phantom-00001_T2.nii.gz"]
    for wrong in ({"modalities": ["t2f"]}, {"naming": "brats2021"}):
        with pytest.raises(UsageError, match=r"among flair, t1, t2|one of plain"):
            write_phantoms(tmp_path, n_cases=1, seed=7, shape=SMALL, task=TASK, **wrong)
