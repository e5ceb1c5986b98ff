import errno
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from nibabel.affines import apply_affine
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform
from scipy.spatial.transform import Rotation

from bundle.errors import OutputError
from bundle.outputs.preview import draw_preview, preview_figure
from bundle.tasks.default import DEFAULT_TASK
from bundle.volumes.plane_views import PLANES, plane_picture, plane_views, to_patient_axes

MODALITIES, INSIDE = DEFAULT_TASK.modality_names, DEFAULT_TASK.is_inside
SHAPE = (22, 26, 30)  # to the right, front, top
SPACING_MM = np.array([2, 1, 1.5])
BRAIN = (slice(2, 20), slice(3, 23), slice(4, 26))
LESION = (slice(14, 18), slice(16, 21), slice(17, 25))  # right, front, high
ORIENTATIONS = ("RAS", "LPS", "LAS", "PIR", "SLA", "IPR")
BRIGHT = 200


def ras_affine(tilt_degrees=0.0):
    affine = np.eye(4)
    affine[:3, :3] = (
        Rotation.from_euler("zx", (tilt_degrees, -tilt_degrees), degrees=True).as_matrix()
        * SPACING_MM
    )
    affine[:3, 3] = (-20, -13, -22)
    return affine


def case(modalities=MODALITIES, lesion=LESION):
    """A grey box of brain; the lesion is the one bright thing in it."""
    image, label = np.zeros(SHAPE, np.int16), np.zeros(SHAPE, np.uint8)
    image[BRAIN] = 300
    image[2, 3, 4:26] = 100
    if lesion:
        label[lesion] = 2
        label[15:17, 17:20, 19:23] = 3
        label[15:17, 18, 20:22] = 1
        image[lesion] = 900
    weights = {f"weight-{m}": np.full(SHAPE, 1 / len(modalities), np.float32) for m in modalities}
    return dict.fromkeys(modalities, image), {
        "seg": label,
        "entropy": (label == 3).astype(np.float32),
        **weights,
    }


def stored(volumes, codes, affine):
    """Store volumes along other axes, and give the affine that says so."""
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    turned = {name: apply_orientation(volume, turn) for name, volume in volumes.items()}
    return turned, affine @ inv_ornt_aff(turn, SHAPE)


def panel(figure, name):
    (axes,) = [axes for axes in figure.axes if axes.get_label() == name]
    return axes


def rendered(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def panel_pixels(figure, pixels, name):
    """Cut (rows, columns, RGB) of a panel out of its rendered figure."""
    box = panel(figure, name).get_window_extent()
    rows = slice(round(pixels.shape[0] - box.y1), round(pixels.shape[0] - box.y0))
    return pixels[rows, round(box.x0) : round(box.x1), :3]


def bright_centre(pixels):
    """Return the centre of what is white as shares of the height from the top and of the width from
    the left.
    """
    return np.argwhere(pixels.min(axis=2) > BRIGHT).mean(axis=0) / pixels.shape[:2]


@pytest.mark.parametrize("tilt_degrees", [0, 20])
@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_patient_axes_do_not_depend_on_how_the_volume_is_stored(codes, tilt_degrees):
    volume = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    turned, affine = stored({"image": volume}, codes, ras_affine(tilt_degrees))
    assert np.array_equal(to_patient_axes(turned["image"], affine), volume)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_the_storage_of_these_tests_leaves_every_voxel_in_its_place(codes):
    label = case()[1]["seg"]
    turned, affine = stored({"seg": label}, codes, ras_affine(20))
    centre = np.argwhere(turned["seg"]).mean(axis=0)
    expected = apply_affine(ras_affine(20), np.argwhere(label).mean(axis=0))
    assert apply_affine(affine, centre) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("plane", "voxel"),
    [("axial", (4, 5, 1)), ("coronal", (4, 1, 6)), ("sagittal", (1, 5, 6))],
    ids=str,
)
def test_the_voxel_furthest_right_front_and_top_is_in_the_upper_left_corner(plane, voxel):
    volume = np.zeros((5, 6, 7))
    volume[voxel] = 1
    picture = plane_picture(volume, plane, 1)
    assert np.argwhere(picture).tolist() == [[0, 0]]


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_every_orientation_gives_the_same_views(codes):
    images, maps = case()
    expected = plane_views(images, maps, ras_affine(), INSIDE)
    turned, affine = stored({**images, **maps}, codes, ras_affine())
    turned_images = {name: turned[name] for name in images}
    turned_maps = {name: turned[name] for name in maps}
    views = plane_views(turned_images, turned_maps, affine, INSIDE)
    for plane in PLANES:
        assert views[plane].size_mm == pytest.approx(expected[plane].size_mm)
        assert all(
            np.array_equal(views[plane].pictures[n], expected[plane].pictures[n]) for n in turned
        )


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SLA"])
def test_a_lesion_on_the_patients_right_is_on_the_left_of_the_axial_and_coronal_panel(codes):
    images, maps = case(("t2f",))
    turned, affine = stored({**images, **maps}, codes, ras_affine(10))
    figure = preview_figure(
        {"t2f": turned["t2f"]}, {name: turned[name] for name in maps}, affine, title="case"
    )
    pixels = rendered(figure)
    for plane in ("axial", "coronal", "sagittal"):  # in front is on the left, too
        down, across = bright_centre(panel_pixels(figure, pixels, f"{plane} t2f"))
        assert across < 0.45
        assert down < 0.45


def test_panels_name_the_sides_that_radiologists_expect():
    figure = preview_figure(*case(), ras_affine(), title="case")
    for plane, letters in {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}.items():
        texts = panel(figure, f"{plane} t1n").texts
        left, right, top, bottom = (text.get_position() for text in texts)
        assert "".join(text.get_text() for text in texts) == letters
        assert left[0] < top[0] < right[0]
        assert bottom[1] < left[1] < top[1]


def test_views_have_the_true_size_of_the_brain():
    views = plane_views(*case(), ras_affine(20), INSIDE)
    x_mm, y_mm, z_mm = (18, 20, 22) * SPACING_MM
    assert views["axial"].size_mm == pytest.approx((x_mm, y_mm))
    assert views["coronal"].size_mm == pytest.approx((x_mm, z_mm))
    assert views["sagittal"].size_mm == pytest.approx((y_mm, z_mm))


def test_each_plane_goes_through_the_slice_with_most_tumour():
    images, maps = case(lesion=None)
    maps["seg"][5:8, 6:9, 7:10] = 2
    maps["seg"][6, 4:12, 8] = 2
    maps["entropy"] = np.broadcast_to(np.arange(30, dtype=np.float32), SHAPE)
    views = plane_views(images, maps, ras_affine(), INSIDE)
    assert np.unique(views["axial"].pictures["entropy"]).tolist() == [8]
    assert np.count_nonzero(views["sagittal"].pictures["seg"]) == 14


def test_without_tumour_the_middle_of_the_brain_is_shown():
    images, maps = case(lesion=None)
    maps["entropy"] = np.broadcast_to(np.arange(30, dtype=np.float32), SHAPE)
    views = plane_views(images, maps, ras_affine(), INSIDE)
    assert np.unique(views["axial"].pictures["entropy"]).tolist() == [15]


def test_a_case_without_tumour_has_no_contours():
    figure = preview_figure(*case(lesion=None), ras_affine(), title="case")
    assert not panel(figure, "axial t1c").collections


def test_an_empty_case_can_be_drawn():
    images, maps = case(lesion=None)
    figure = preview_figure(
        {m: np.zeros_like(image) for m, image in images.items()}, maps, ras_affine(), title="case"
    )
    assert rendered(figure).size


def test_intensities_that_are_not_finite_are_no_brain():
    images, maps = case(("t1c",))
    image = images["t1c"].astype(np.float32)
    image[0], image[-1] = np.nan, np.inf
    views = plane_views({"t1c": image}, maps, ras_affine(), INSIDE)
    assert views["axial"].inside.shape == (20, 18)


def test_what_a_task_calls_outside_is_not_drawn():
    images, maps = case(("t1c",), lesion=None)
    shifted = {"t1c": images["t1c"] - 5}
    views = plane_views(shifted, maps, ras_affine(), replace(DEFAULT_TASK, outside=0.5).is_inside)
    expected = plane_views(images, maps, ras_affine(), INSIDE)
    for plane in PLANES:
        assert np.array_equal(views[plane].inside, expected[plane].inside)
        assert np.allclose(views[plane].pictures["t1c"], expected[plane].pictures["t1c"])


def test_a_modality_that_was_not_acquired_has_dark_panels_that_say_so():
    figure = preview_figure(*case(("t1c", "t2f")), ras_affine(), title="case")
    for plane in PLANES:
        for modality in ("t1n", "t2w"):
            assert [text.get_text() for text in panel(figure, f"{plane} {modality}").texts] == [
                "not acquired"
            ]
    assert np.median(panel_pixels(figure, rendered(figure), "axial t2w")) < 50


def test_only_acquired_modalities_have_a_weight_column():
    figure = preview_figure(*case(("t1c", "t2f")), ras_affine(), title="case")
    columns = [
        axes.get_label().split()[1] for axes in figure.axes if axes.get_label().startswith("axial")
    ]
    assert columns == [*MODALITIES, "entropy", "weight-t1c", "weight-t2f"]


def test_contributions_take_the_place_of_weights():
    images, maps = case(("t1c", "t2f"))
    maps |= {f"contribution-{m}": np.full(SHAPE, 0.5, np.float32) for m in ("t1c", "t2f")}
    figure = preview_figure(images, maps, ras_affine(), title="case")
    columns = [
        axes.get_label().split()[1] for axes in figure.axes if axes.get_label().startswith("axial")
    ]
    assert columns[-2:] == ["contribution-t1c", "contribution-t2f"]
    assert not [name for name in columns if name.startswith("weight")]
    assert "scale contribution" in [axes.get_label() for axes in figure.axes]


def test_weights_outside_the_brain_are_not_drawn():
    images, maps = case(("t1c",))
    images["t1c"][10] = 0
    (drawn,) = panel(
        preview_figure(images, maps, ras_affine(), title="case"), "axial weight-t1c"
    ).images
    assert np.ma.getmaskarray(drawn.get_array()).all(axis=0).tolist() == [
        x == 10 for x in range(19, 1, -1)
    ]


def test_the_truth_is_dashed_and_the_segmentation_solid():
    images, maps = case()
    maps["truth"] = np.roll(maps["seg"], 1, axis=1)
    lines = panel(preview_figure(images, maps, ras_affine(), title="case"), "axial t1c").collections
    dashes = [contour.get_linestyles()[0][1] for contour in lines]
    assert [dash is not None for dash in dashes] == [False, True]


@pytest.mark.parametrize("modalities", [MODALITIES, ("t2f",)], ids=len)
@pytest.mark.parametrize("title", ["case", "$x$ 患者 \n" + "W" * 300], ids=["short", "strange"])
def test_no_text_leaves_the_page(modalities, title):
    figure = preview_figure(*case(modalities), ras_affine(), title=title)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    tight = figure.get_tightbbox(canvas.get_renderer())
    assert min(tight.x0, tight.y0) >= 0
    assert tight.x1 <= figure.get_figwidth()
    assert tight.y1 <= figure.get_figheight()


def test_the_file_is_a_png_of_the_documented_width(tmp_path):
    draw_preview(tmp_path / "case.png", *case(), ras_affine(), title="case")
    assert [path.name for path in tmp_path.iterdir()] == ["case.png"]
    height, width, _ = imread(tmp_path / "case.png").shape
    assert width == 2112
    assert 600 < height < 1500


def test_a_write_that_fails_halfway_keeps_the_old_file_and_leaves_nothing_else(
    tmp_path, monkeypatch
):
    path = tmp_path / "case.png"
    path.write_text("old")

    def fill_the_disk(canvas, target):
        target.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FigureCanvasAgg, "print_png", fill_the_disk)
    with pytest.raises(OutputError, match="the disk is full") as caught:
        draw_preview(path, *case(), ras_affine(), title="case")
    assert caught.value.code == "E_WRITE"
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("case.png", "old")]


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match=r"gone.case\.png must be writable"):
        draw_preview(tmp_path / "gone" / "case.png", *case(), ras_affine(), title="case")
