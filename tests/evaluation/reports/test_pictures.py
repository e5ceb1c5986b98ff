import math
from functools import cache

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color, to_hex
from matplotlib.transforms import Bbox

from bundle.evaluation.case_slices import CaseSlice
from bundle.evaluation.reports.pictures import (
    draw_dice_per_set,
    draw_reliability,
    draw_weights,
    draw_worst_cases,
)
from bundle.evaluation.score_table import Score
from bundle.evaluation.statistics.summary import Summary, summarise
from bundle.evaluation.task_names import GIVEN, set_members
from bundle.tasks.default import DEFAULT_TASK
from tests.evaluation.sample_scores import MODALITIES, NAMES, REGIONS, SETS, table_of

FULL = SETS[-1]
REGION_COLOURS = {region.name: region.colour for region in DEFAULT_TASK.regions}
SHOWN_SETS = pytest.mark.parametrize("sets", [SETS, (FULL,), ("t1c", "t1c+t2f"), (GIVEN,)], ids=len)
STRANGE = ("$x_1$", "$\\frac{1}{0}", "a\nb", "患者 \u202e", "W" * 300, "")
NAN = math.nan


def dice(name: str, region: str) -> float:
    """Grows from set to set by 0.04, and from region to region by 0.1."""
    return 0.1 + 0.04 * NAMES.all_sets.index(name) + 0.1 * REGIONS.index(region)


def weight(modality: str, name: str, region: str) -> float:
    """Another number for every modality, set and region; 1 over the modalities of a set."""
    trust = {
        member: 1 + MODALITIES.index(member) + REGIONS.index(region) for member in set_members(name)
    }
    return trust[modality] / sum(trust.values())


@cache
def summary(sets=SETS, cases="abc", absent=None, with_weights=True) -> Summary:
    """Summarise cases whose Dice lie around the mean, further above than below; none has the region
    ``absent``.
    """
    scores = []
    spread = np.array([0.03, -0.01, -0.02])[: len(cases)]
    for case, aside in zip(cases, (spread - spread.mean()).tolist(), strict=True):
        for name in sets:
            for region in REGIONS:
                values = {
                    "dice": dice(name, region) + aside,
                    "truth_ml": 0.0 if region == absent else 5.0,
                }
                weights = {
                    f"weight_{m}": weight(m, name, region)
                    for m in set_members(name)
                    if with_weights
                }
                scores += [Score(case, name, region, *item) for item in (values | weights).items()]
    return summarise(table_of(scores))


def marks(axes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return for each region the places of the marks (n, 2) and the ends of their intervals
    (n, 2).
    """
    found = {}
    for container in axes.containers:
        line, _, (bars,) = container
        ends = [segment[:, 1] for segment in bars.get_segments()]
        found[container.get_label()] = (
            np.array(line.get_xydata()).reshape(-1, 2),
            np.array(ends).reshape(-1, 2),
        )
    return found


def dotted(axes) -> list:
    return [line for line in axes.lines if line.get_linestyle() == ":"]


def case_slice(case="a", *, truth=None, predicted=None, score=0.5) -> CaseSlice:
    """A slice of 6 rows of 4 mm and 5 columns of 2 mm; regions are given as (rows, columns) by
    name.
    """
    masks = []
    for places in (predicted or {}, truth or {}):
        masks.append(np.zeros((len(REGIONS), 6, 5), bool))
        for region, place in places.items():
            masks[-1][(REGIONS.index(region), *place)] = True
    return CaseSlice(
        case, score, np.linspace(0, 1, 30, dtype=np.float32).reshape(6, 5), *masks, (10.0, 24.0)
    )


def outlines(axes) -> list[tuple[str, str, tuple[float, ...]]]:
    """Return for each outline its region, its style, and left, bottom, right and top in mm."""
    names = {to_hex(colour): region for region, colour in REGION_COLOURS.items()}
    found = []
    for drawn in axes.collections:
        (colour,) = drawn.get_edgecolor()
        solid = drawn.get_linestyles()[0][1] is None
        box = Bbox.union([path.get_extents() for path in drawn.get_paths()])
        found.append(
            (names[to_hex(colour)], "solid" if solid else "dashed", box.extents.round(6).tolist())
        )
    return found


def shown_panels(figure) -> list:
    return [axes for axes in figure.axes if axes.images]


def assert_nothing_leaves_the_page(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    tight = figure.get_tightbbox(canvas.get_renderer())
    assert min(tight.x0, tight.y0) >= 0
    assert tight.x1 <= figure.get_figwidth()
    assert tight.y1 <= figure.get_figheight()


def test_every_set_and_region_has_a_mark_at_its_mean():
    found = marks(draw_dice_per_set(summary(), DEFAULT_TASK).axes[0])
    assert tuple(found) == REGIONS
    for region, (places, _) in found.items():
        np.testing.assert_allclose(places[:, 1], [dice(name, region) for name in SETS])


def test_the_bar_of_a_mark_is_its_interval():
    means = summary().means["dice"]
    for region, (places, ends) in marks(draw_dice_per_set(summary(), DEFAULT_TASK).axes[0]).items():
        np.testing.assert_allclose(
            ends, [(means[name][region].low, means[name][region].high) for name in SETS]
        )
        assert (ends[:, 1] - places[:, 1] > places[:, 1] - ends[:, 0]).all()


def test_with_one_case_the_marks_stand_alone():
    for region, (places, ends) in marks(
        draw_dice_per_set(summary(cases="a"), DEFAULT_TASK).axes[0]
    ).items():
        np.testing.assert_allclose(places[:, 1], [dice(name, region) for name in SETS])
        np.testing.assert_array_equal(ends[:, 0], ends[:, 1])


def test_a_region_that_no_case_has_gets_neither_marks_nor_a_mean():
    axes = draw_dice_per_set(summary(absent="ET"), DEFAULT_TASK).axes[0]
    assert {region: len(places) for region, (places, _) in marks(axes).items()} == {
        "TC": 15,
        "WT": 15,
        "ET": 0,
    }
    assert len(dotted(axes)) == 2


def test_a_region_without_marks_leaves_the_axes_where_they_are():
    """A mark that is drawn beyond the axes, as those at 0 and 1 are, would count in the layout even
    without a place.
    """
    places = []
    for absent in (None, "ET"):
        figure = draw_dice_per_set(summary(absent=absent), DEFAULT_TASK)
        figure.draw_without_rendering()
        places.append(figure.axes[0].get_position().extents)
    np.testing.assert_allclose(*places, atol=0.01)


def test_the_marks_of_a_set_stand_side_by_side_over_its_dots():
    upper, lower = draw_dice_per_set(summary(), DEFAULT_TASK).axes
    across = np.array([places[:, 0] for places, _ in marks(upper).values()])
    np.testing.assert_array_equal(across.round(), np.tile(np.arange(15), (3, 1)))
    assert (np.diff(across, axis=0) > 0.1).all()
    assert upper.get_xlim() == lower.get_xlim()


def test_a_dot_is_filled_where_the_set_has_the_modality():
    lower = draw_dice_per_set(summary(), DEFAULT_TASK).axes[1]
    filled = {
        tuple(dot.get_xydata()[0].astype(int)): dot.get_markerfacecolor() != "none"
        for dot in lower.lines
    }
    assert filled == {
        (column, row): modality in set_members(name)
        for column, name in enumerate(SETS)
        for row, modality in enumerate(MODALITIES)
    }
    assert [label.get_text() for label in lower.get_yticklabels()] == ["T1", "T1ce", "T2", "FLAIR"]


def test_where_nobody_knows_the_modalities_there_are_question_marks_instead_of_dots():
    lower = draw_dice_per_set(summary((GIVEN,)), DEFAULT_TASK).axes[1]
    assert [text.get_text() for text in lower.texts] == ["?"] * len(MODALITIES)
    assert [label.get_text() for label in lower.get_xticklabels()] == ["given"]
    assert not lower.lines


def test_a_dotted_line_of_the_regions_colour_is_the_mean_over_sets():
    axes = draw_dice_per_set(summary(), DEFAULT_TASK).axes[0]
    found = {line.get_color(): line.get_ydata()[0] for line in dotted(axes)}
    assert found == pytest.approx(
        {REGION_COLOURS[r]: np.mean([dice(n, r) for n in SETS]) for r in REGIONS}
    )
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        *REGIONS,
        "mean over sets",
    ]


def test_one_set_is_no_mean_over_sets():
    axes = draw_dice_per_set(summary((FULL,)), DEFAULT_TASK).axes[0]
    assert not dotted(axes)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(REGIONS)


@SHOWN_SETS
def test_the_legend_lies_above_the_axes_where_it_covers_no_interval(sets):
    figure = draw_dice_per_set(summary(sets), DEFAULT_TASK)
    figure.draw_without_rendering()
    upper = figure.axes[0]
    assert upper.get_legend().get_window_extent().y0 >= upper.get_window_extent().y1


def test_marks_at_0_and_1_are_not_cut_in_half():
    bins = [(0.0, 0.5, 5, 0.0, 0.0), (0.5, 1.0, 5, 1.0, 1.0)]
    line, *_ = draw_dice_per_set(summary(), DEFAULT_TASK).axes[0].containers[0]
    _, curve = draw_reliability({"WT": bins}, DEFAULT_TASK).axes[0].lines
    assert not line.get_clip_on()
    assert not curve.get_clip_on()


@pytest.mark.parametrize("regions", [REGIONS, ("WT",)], ids=len)
def test_every_region_has_a_curve_of_its_filled_bins_and_the_diagonal(regions):
    """The bins differ from region to region; the second is empty."""
    bins = {
        region: [
            (0.0, 0.2, 60, 0.1, 0.05 * place),
            (0.2, 0.6, 0, NAN, NAN),
            (0.6, 1.0, 20, 0.7, 0.1 * place),
        ]
        for place, region in enumerate(regions, start=1)
    }
    upper = draw_reliability(bins, DEFAULT_TASK).axes[: len(regions)]
    assert [axes.get_title() for axes in upper] == list(regions)
    for place, (region, axes) in enumerate(zip(regions, upper, strict=True), start=1):
        diagonal, curve = axes.lines
        assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
        np.testing.assert_allclose(curve.get_xydata(), [[0.1, 0.05 * place], [0.7, 0.1 * place]])
        assert same_color(curve.get_color(), REGION_COLOURS[region])


def test_below_a_curve_stand_the_shares_of_voxels_of_its_bins():
    bins = [(0.0, 0.2, 60, 0.1, 0.0), (0.2, 0.6, 0, NAN, NAN), (0.6, 1.0, 20, 0.7, 1.0)]
    bars = draw_reliability({"ET": bins}, DEFAULT_TASK).axes[1].patches
    np.testing.assert_allclose([bar.get_bbox().intervalx for bar in bars], [(0.0, 0.2), (0.6, 1.0)])
    assert [bar.get_height() for bar in bars] == [0.75, 0.25]


@pytest.mark.parametrize("regions", [REGIONS, ("WT",)], ids=len)
def test_a_curve_and_its_bars_have_one_probability_axis(regions):
    figure = draw_reliability(
        {region: [(0.0, 1.0, 5, 0.5, 0.5)] for region in regions}, DEFAULT_TASK
    )
    figure.draw_without_rendering()
    boxes = [axes.get_window_extent() for axes in figure.axes]
    for upper, lower in zip(boxes[: len(regions)], boxes[len(regions) :], strict=True):
        assert (upper.x0, upper.x1) == pytest.approx((lower.x0, lower.x1))
        assert upper.width == pytest.approx(upper.height)
        assert upper.width > 0.5 * figure.bbox.width / len(regions)


def test_a_region_without_any_voxel_has_the_diagonal_alone():
    figure = draw_reliability(
        {"ET": [(0.0, 0.5, 0, NAN, NAN), (0.5, 1.0, 0, NAN, NAN)]}, DEFAULT_TASK
    )
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [2, 0]
    assert not figure.axes[1].patches
    assert_nothing_leaves_the_page(figure)
    assert figure.axes[0].get_position().width > 0.5


def test_a_cell_has_the_mean_weight_of_its_modality_set_and_region_and_absent_modalities_are_blank():
    figure = draw_weights(summary())
    panels = shown_panels(figure)[: len(REGIONS)]
    assert [axes.get_title() for axes in panels] == list(REGIONS)
    for region, axes in zip(REGIONS, panels, strict=True):
        cells = axes.images[0].get_array().filled(np.nan)
        expected = [
            [weight(m, s, region) if m in set_members(s) else NAN for m in MODALITIES] for s in SETS
        ]
        np.testing.assert_allclose(cells, expected)
        np.testing.assert_allclose(np.nansum(cells, axis=1), 1)
        assert axes.images[0].get_clim() == (0, 1)


def test_the_number_in_a_cell_is_its_weight_and_blank_cells_have_none():
    for region, axes in zip(REGIONS, draw_weights(summary()).axes, strict=False):
        written = {text.get_position(): text.get_text() for text in axes.texts}
        assert written == {
            (MODALITIES.index(m), row): f"{weight(m, name, region):.2f}"
            for row, name in enumerate(SETS)
            for m in set_members(name)
        }


def test_rows_are_named_by_their_sets_and_columns_by_modalities():
    axes = draw_weights(summary(("t1c", "t1n+t2w", FULL))).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "T1ce",
        "T1+T2",
        "T1+T1ce+T2+FLAIR",
    ]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["T1", "T1ce", "T2", "FLAIR"]


def test_weights_that_are_not_known_are_blank():
    axes = draw_weights(summary(with_weights=False)).axes[0]
    assert axes.images[0].get_array().mask.all()
    assert not axes.texts


@pytest.mark.parametrize("n_cases", [1, 2, 3, 4, 6])
def test_there_are_as_many_panels_as_cases_in_their_order(n_cases):
    slices = [case_slice(f"case {n}", score=n / 10) for n in range(n_cases)]
    panels = shown_panels(draw_worst_cases(slices, DEFAULT_TASK))
    assert [axes.get_title() for axes in panels] == [
        f"case {n}\nmean Dice {n / 10:.2f}" for n in range(n_cases)
    ]


def test_without_a_case_the_page_is_empty_but_for_its_legend():
    figure = draw_worst_cases([], DEFAULT_TASK)
    assert not shown_panels(figure)
    assert_nothing_leaves_the_page(figure)


def test_the_truth_is_solid_and_the_prediction_dashed_in_the_colours_of_their_regions():
    """Columns are 2 mm and rows 4 mm, of which the first is on top."""
    truth = {"WT": (slice(1, 5), slice(0, 4)), "TC": (slice(2, 4), slice(1, 3)), "ET": (2, 1)}
    predicted = {"WT": (slice(3, 6), slice(2, 5)), "TC": (5, 4)}
    (axes,) = shown_panels(
        draw_worst_cases([case_slice(truth=truth, predicted=predicted)], DEFAULT_TASK)
    )
    assert outlines(axes) == [
        ("WT", "solid", [0, 4, 8, 20]),
        ("TC", "solid", [2, 8, 6, 16]),
        ("ET", "solid", [2, 12, 4, 16]),
        ("WT", "dashed", [4, 0, 10, 12]),
        ("TC", "dashed", [8, 0, 10, 4]),
    ]


def test_inner_regions_are_outlined_last_so_that_they_are_seen_where_lines_coincide():
    everything = dict.fromkeys(REGIONS, (slice(2, 4), slice(1, 3)))
    (axes,) = shown_panels(draw_worst_cases([case_slice(truth=everything)], DEFAULT_TASK))
    assert [region for region, *_ in outlines(axes)] == ["WT", "TC", "ET"]
    assert len({drawn.get_zorder() for drawn in axes.collections}) == 1


def test_the_image_lies_under_its_outlines_with_its_true_proportions():
    (axes,) = shown_panels(draw_worst_cases([case_slice()], DEFAULT_TASK))
    (image,) = axes.images
    assert image.get_extent() == [0, 10, 0, 24]
    assert (axes.get_xlim(), axes.get_ylim(), axes.get_aspect()) == ((0, 10), (0, 24), 1)
    assert image.get_clim() == (0, 1)
    assert image.origin == "upper"


def test_a_panel_says_which_side_is_the_patients_right():
    (axes,) = shown_panels(draw_worst_cases([case_slice()], DEFAULT_TASK))
    left, right = sorted(axes.texts, key=lambda text: text.get_position()[0])
    assert (left.get_text(), right.get_text()) == ("R", "L")


def test_the_legend_tells_regions_by_colour_and_truth_from_prediction_by_style():
    (legend,) = draw_worst_cases([case_slice()], DEFAULT_TASK).legends
    keys = {
        text.get_text(): (line.get_color(), line.get_linestyle())
        for text, line in zip(legend.get_texts(), legend.get_lines(), strict=True)
    }
    assert {region: keys[region] for region in REGIONS} == {
        r: (REGION_COLOURS[r], "-") for r in REGIONS
    }
    assert (keys["truth"][1], keys["prediction"][1]) == ("-", "--")


@pytest.mark.parametrize("name", STRANGE, ids=range(len(STRANGE)))
def test_a_case_may_have_any_name(name):
    """Neither markup nor an end of line, a letter that the font lacks, or the length of a name has
    an effect.
    """
    figure = draw_worst_cases([case_slice(name)] * 2, DEFAULT_TASK)
    first, _, last = shown_panels(figure)[0].get_title().partition("\n")
    assert first.startswith(name[:1].replace("患", "?"))
    assert last == "mean Dice 0.50"
    assert_nothing_leaves_the_page(figure)
    assert not any(axes.title.get_parse_math() for axes in shown_panels(figure))


@pytest.mark.parametrize("n_cases", [2, 6])
def test_titles_of_neighbours_do_not_touch(n_cases):
    figure = draw_worst_cases([case_slice("W" * 300)] * n_cases, DEFAULT_TASK)
    figure.draw_without_rendering()
    boxes = [axes.title.get_window_extent() for axes in shown_panels(figure)]
    assert not any(
        one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place]
    )


@SHOWN_SETS
@pytest.mark.parametrize(
    "draw", [lambda summary: draw_dice_per_set(summary, DEFAULT_TASK), draw_weights]
)
def test_no_text_of_a_summary_leaves_the_page(draw, sets):
    assert_nothing_leaves_the_page(draw(summary(sets, cases="a")))


def test_regions_have_the_colours_of_the_okabe_and_ito_palette():
    """Told apart with every kind of colour blindness."""
    assert REGION_COLOURS == {"TC": "#0072b2", "WT": "#009e73", "ET": "#d55e00"}
