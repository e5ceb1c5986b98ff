import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.tasks.regions import (
    CONVENTIONS,
    NO_TUMOUR,
    REGIONS,
    from_convention,
    labels_to_regions,
    regions_to_labels,
    to_convention,
)

SHAPE = (5, 6, 7)


def labels(seed):
    return np.random.default_rng(seed).integers(0, 4, SHAPE).astype(np.uint8)


@given(st.integers(0, 1000))
def test_labels_to_regions_to_labels_is_the_identity(seed):
    assert np.array_equal(
        regions_to_labels(labels(seed).astype(bool) & labels_to_regions(labels(seed))), labels(seed)
    )


@given(st.integers(0, 1000))
def test_regions_are_nested_after_merging_whatever_came_in(seed):
    regions = np.random.default_rng(seed).random((3, *SHAPE)) > 0.5
    core, whole, enhancing = labels_to_regions(regions_to_labels(regions))
    assert (enhancing <= core).all()
    assert (core <= whole).all()
    assert (whole == regions[REGIONS.index("WT")]).all()


def test_each_label_belongs_to_the_regions_that_brats_defines():
    tc, wt, et = labels_to_regions(np.arange(4).reshape(4, 1, 1))[:, :, 0, 0]
    assert tc.tolist() == [0, 1, 0, 1]
    assert wt.tolist() == [0, 1, 1, 1]
    assert et.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_renumbering_and_back_is_the_identity(convention):
    assert np.array_equal(
        from_convention(to_convention(labels(1), convention), convention), labels(1)
    )


def test_brats_2021_numbers_enhancing_tumour_four_and_msd_swaps_core_and_oedema():
    assert to_convention(np.array([0, 1, 2, 3]), "brats2021").tolist() == [0, 1, 2, 4]
    assert from_convention(np.array([0, 1, 2, 3]), "msd").tolist() == [0, 2, 1, 3]


def test_paediatric_cysts_are_read_as_core_and_core_is_written_as_non_enhancing():
    assert from_convention(np.array([0, 1, 2, 3, 4]), "brats-ped").tolist() == [0, 3, 1, 1, 2]
    assert to_convention(np.array([0, 1, 2, 3]), "brats-ped").tolist() == [0, 2, 4, 1]


def test_a_value_that_a_convention_does_not_have_is_refused():
    with pytest.raises(ValueError, match=r"\[0, 1, 2, 3\] for brats2023; got also \[4\]"):
        from_convention(np.array([0, 4]), "brats2023")


def test_an_unknown_convention_is_refused():
    with pytest.raises(ValueError, match="got 'brats1999'"):
        to_convention(labels(0), "brats1999")


def test_a_resection_cavity_is_background_and_is_never_written():
    assert from_convention(np.array([0, 1, 2, 3, 4]), "brats2024").tolist() == [0, 1, 2, 3, 0]
    assert to_convention(np.array([0, 1, 2, 3]), "brats2024").tolist() == [0, 1, 2, 3]


def test_what_is_no_tumour_is_read_as_background():
    assert all(
        CONVENTIONS[name][value] == 0 for name, values in NO_TUMOUR.items() for value in values
    )
