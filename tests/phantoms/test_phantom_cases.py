"""Phantoms have the form of BraTS cases, and their modalities are worth having."""

import resource

import nibabel as nib
import numpy as np
import pytest

from bundle.errors import OutputError, UsageError
from bundle.phantoms import phantom_cases as phantoms_module
from bundle.phantoms.phantom_cases import Phantom, draw_phantom, write_phantoms
from bundle.tasks.default import DEFAULT_TASK

SHAPE = (48, 56, 41)
SMALL = (32, 37, 34)
SEEDS = range(16)
MODALITIES = DEFAULT_TASK.modality_names


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return [draw_phantom(seed, SHAPE) for seed in SEEDS]


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.nii.gz")
    }


def mean_z_difference(phantoms, modality, values, against):
    """Average over cases the difference of two tissues, in standard deviations of the brain."""
    differences = []
    for phantom in phantoms:
        image = phantom.images[modality].astype(float)
        chosen, others = np.isin(phantom.label, values), np.isin(phantom.label, against)
        if chosen.sum() > 20 and others.sum() > 20:
            differences.append(
                (image[chosen].mean() - image[others].mean()) / image[image > 0].std()
            )
    assert len(differences) > len(phantoms) / 3
    return np.mean(differences)


def tissue_z(phantoms, modality, value):
    """Average over cases how bright a label is, in standard deviations from the brain's mean."""
    scores = []
    for phantom in phantoms:
        image = phantom.images[modality].astype(float)
        brain = image[image > 0]
        scores.append((image[phantom.label == value].mean() - brain.mean()) / brain.std())
    return np.mean(scores)


def test_a_case_has_the_grid_types_and_modalities_asked_for():
    phantom = draw_phantom(3, (33, 41, 37))
    assert tuple(phantom.images) == MODALITIES
    assert all(
        image.shape == (33, 41, 37) and image.dtype == np.int16 for image in phantom.images.values()
    )
    assert phantom.label.shape == (33, 41, 37)
    assert phantom.label.dtype == np.uint8
    assert nib.aff2axcodes(phantom.affine) == ("L", "P", "S")


@pytest.mark.slow
def test_the_default_grid_holds_a_brain_and_a_tumour():
    phantom = draw_phantom(0)
    brain = phantom.images["t1n"] > 0
    assert brain.shape == (96, 112, 80)
    assert 0.1 < brain.mean() < 0.4
    assert 0 < (phantom.label > 0).sum() < 0.3 * brain.sum()


@pytest.mark.slow
def test_all_modalities_share_one_brain_and_the_background_is_zero(phantoms):
    for phantom in phantoms:
        brain = phantom.images["t1n"] != 0
        for image in phantom.images.values():
            assert np.array_equal(image > 0, brain)
            assert image.min() == 0
            assert image.max() > 100


@pytest.mark.slow
def test_the_brain_keeps_off_the_sides_of_the_grid(phantoms):
    for phantom in phantoms:
        brain = phantom.images["t1n"] > 0
        faces = [brain[0], brain[-1], brain[:, 0], brain[:, -1], brain[:, :, -1]]
        assert not any(face.any() for face in faces)


@pytest.mark.slow
def test_tumours_lie_in_the_brain_and_every_case_has_one(phantoms):
    for phantom in phantoms:
        assert (phantom.images["t1n"][phantom.label > 0] > 0).all()
        assert set(np.unique(phantom.label)) <= {0, 1, 2, 3}
        assert np.isin(phantom.label, (1, 3)).any()


@pytest.mark.slow
def test_some_but_few_cases_do_not_enhance(phantoms):
    without = sum(not (phantom.label == 3).any() for phantom in phantoms)
    assert 1 <= without <= len(phantoms) / 3


@pytest.mark.slow
def test_only_the_contrast_agent_tells_enhancing_tumour_from_oedema(phantoms):
    contrast = {
        modality: mean_z_difference(phantoms, modality, (3,), (2,)) for modality in MODALITIES
    }
    assert contrast["t1c"] > 1.2
    assert all(abs(contrast[modality]) < contrast["t1c"] / 4 for modality in ("t1n", "t2w", "t2f"))


@pytest.mark.slow
def test_enhancing_tumour_stands_out_from_the_rest_of_the_tumour_most_on_t1c(phantoms):
    contrast = {
        modality: abs(mean_z_difference(phantoms, modality, (3,), (1, 2)))
        for modality in MODALITIES
    }
    assert contrast.pop("t1c") > 2 * max(contrast.values())


@pytest.mark.slow
def test_oedema_is_brightest_on_flair(phantoms):
    brightness = {modality: tissue_z(phantoms, modality, 2) for modality in MODALITIES}
    assert brightness.pop("t2f") > 1 + max(brightness.values())


@pytest.mark.slow
@pytest.mark.parametrize(("modality", "value"), [("t1c", 3), ("t2w", 2), ("t2f", 2)])
def test_no_threshold_of_one_modality_finds_the_tumour(phantoms, modality, value):
    """Vessels, fluid and white-matter spots are as bright as the tissue that each modality shows
    best.
    """
    confounded = []
    for phantom in phantoms:
        image, tumour = phantom.images[modality], phantom.label == value
        if tumour.sum() > 20:
            healthy = image[(phantom.label == 0) & (image > 0)]
            confounded.append((healthy > np.median(image[tumour])).sum() / tumour.sum())
    assert np.mean(np.array(confounded) > 0.05) > 0.2


def test_the_same_seed_draws_the_same_case_and_another_seed_another():
    first, again, other = (draw_phantom(seed, SMALL) for seed in (5, 5, 6))
    assert np.array_equal(first.label, again.label)
    assert all(
        np.array_equal(first.images[modality], again.images[modality]) for modality in MODALITIES
    )
    assert not np.array_equal(first.images["t1n"], other.images["t1n"])
    assert not np.array_equal(first.label, other.label)


def test_a_seed_means_the_case_that_it_meant_when_the_weights_were_trained():
    """Counts of voxels and means of images, which any change of the random stream moves."""
    phantom = draw_phantom((6, 1), SMALL)
    assert np.bincount(phantom.label.ravel()).tolist() == [39940, 47, 197, 72]
    means = [image.mean() for image in phantom.images.values()]
    assert means == pytest.approx([141.750, 120.706, 59.887, 71.246], rel=1e-4)


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_phantoms(tmp_path / name, n_cases=1, seed=7, shape=SMALL)
    written = files(tmp_path / "a")
    assert len(written) == 5
    assert written == files(tmp_path / "b")


def test_a_longer_run_extends_a_shorter_one(tmp_path):
    write_phantoms(tmp_path / "short", n_cases=1, seed=7, shape=SMALL)
    write_phantoms(tmp_path / "long", n_cases=2, seed=7, shape=SMALL)
    short, long = files(tmp_path / "short"), files(tmp_path / "long")
    assert short == {name: long[name] for name in short}
    assert len(long) == 2 * len(short)


@pytest.mark.parametrize(
    ("naming", "case", "suffixes"),
    [
        ("brats2021", "phantom_00001", ["_flair", "_seg", "_t1", "_t1ce", "_t2"]),
        ("brats2023", "phantom-00001-000", ["-seg", "-t1c", "-t1n", "-t2f", "-t2w"]),
    ],
)
def test_files_have_the_names_labels_and_header_of_the_year(tmp_path, naming, case, suffixes):
    names = [f"{case}{suffix}.nii.gz" for suffix in suffixes]
    folders = write_phantoms(tmp_path / "new", n_cases=1, seed=0, shape=SMALL, naming=naming)
    assert folders == [tmp_path / "new" / case]
    assert sorted(path.name for path in folders[0].iterdir()) == names
    for name in names:
        image = nib.load(folders[0] / name)
        assert image.shape == SMALL
        assert image.get_data_dtype() == (np.uint8 if "seg" in name else np.int16)
        assert (image.header["qform_code"], image.header["sform_code"]) == (1, 1)
        assert np.array_equal(image.get_qform(), image.get_sform())
        assert image.header.get_xyzt_units()[0] == "mm"
    seg = nib.load(next(folders[0].glob("*seg.nii.gz")))
    drawn = draw_phantom((0, 1), SMALL).label
    values = DEFAULT_TASK.numbering(naming).table
    assert set(np.unique(seg.dataobj)) <= set(values)
    assert np.array_equal(np.asarray(seg.dataobj) == max(values), drawn == 3)


def test_files_left_out_this_time_do_not_survive_from_an_older_case(tmp_path):
    write_phantoms(tmp_path, n_cases=1, seed=0, shape=SMALL)
    (case,) = write_phantoms(
        tmp_path, n_cases=1, seed=1, shape=SMALL, modalities=["t2f", "t1n"], with_label=False
    )
    assert sorted(path.name for path in case.iterdir()) == [
        f"{case.name}-{name}.nii.gz" for name in ("t1n", "t2f")
    ]
    image = np.asarray(nib.load(case / f"{case.name}-t2f.nii.gz").dataobj)
    assert np.array_equal(image, draw_phantom((1, 1), SMALL).images["t2f"])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"n_cases": 0}, "n_cases must be at least 1; got 0"),
        ({"seed": -1}, "seed must not be negative; got -1"),
        ({"shape": (96, 31, 80)}, r"at least 32 voxels; got \(96, 31, 80\)"),
        ({"naming": "bids"}, "naming must be one of brats2021, brats2023; got 'bids'"),
        ({"modalities": ["t1n", "pet"]}, "modalities must be among t1n, t1c, t2w, t2f"),
        ({"modalities": []}, "Name at least one"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_before_anything_is_written(tmp_path, wrong, words):
    with pytest.raises(UsageError, match=words):
        write_phantoms(tmp_path / "new", **{"n_cases": 1, "seed": 0, "shape": SMALL} | wrong)
    assert not (tmp_path / "new").exists()


def test_a_case_smaller_than_a_brain_can_be_is_refused():
    with pytest.raises(UsageError, match="at least 32"):
        draw_phantom(0, (31, 40, 40))


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_drawn(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr(
        phantoms_module, "draw_phantom", lambda *args, **kwargs: pytest.fail("drawn")
    )
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="must be writable") as caught:
            write_phantoms(place, n_cases=1, seed=0, shape=SMALL)
        assert (caught.value.code, caught.value.exit_code) == ("E_OUTPUT", 74)


def test_a_disk_that_is_full_is_an_output_error_and_leaves_no_half_of_a_file(tmp_path, small_files):
    with pytest.raises(
        OutputError, match=r"t1n\.nii\.gz must be writable; got an error: .* larger"
    ):
        write_phantoms(tmp_path, n_cases=1, seed=0, shape=SMALL)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.fixture
def small_files():
    """No file can grow over 1 kB, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_planted_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "out" / "phantom-00001-000").mkdir(parents=True)
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "out" / "phantom-00001-000" / "phantom-00001-000-t1n.nii.gz").symlink_to(
        tmp_path / "mine"
    )
    write_phantoms(tmp_path / "out", n_cases=1, seed=0, shape=SMALL)
    assert (tmp_path / "mine").read_bytes() == b"mine"
