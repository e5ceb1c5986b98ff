"""The pages as a browser shows them: pixels, clicks, the console, requests, paper."""

import json
import os
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from bundle.outputs.report.index_page import write_index
from bundle.outputs.report.written_results import report_written
from bundle.tasks.default import DEFAULT_TASK
from tests.browser.chromium import NEEDS_BROWSER, Visit, visit
from tests.outputs.report.drawn_results import write_result
from tests.outputs.report.test_index_page import write_facts, write_rows

AXE = os.environ.get("SIMMLM_AXE", "")
NEEDS_AXE = pytest.mark.skipif(not AXE, reason="needs axe-core's axe.min.js in SIMMLM_AXE")
MARKUP = """<img src=x onerror="document.title='run'">&'{{ 7*7 }}"""
VIEWER = {"wait": "document.body.dataset.viewer === 'ready'"}
LIST = {"wait": "document.body.dataset.list === 'ready'"}
TO_VIEWER = {"run": "document.getElementById('viewer').scrollIntoView()"}
DARK = {"media": {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}}
COLOURS = {label.name: bytes.fromhex(label.colour[1:]) for label in DEFAULT_TASK.labels}
AUDIT = (
    "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice']}).then(found =>"
    " found.violations.filter(one => ['serious', 'critical'].includes(one.impact))"
    ".map(one => one.id + ': ' + one.nodes.map(node => node.target).join(', ')))"
)

pytestmark = [pytest.mark.browser, pytest.mark.slow, NEEDS_BROWSER]


def check_quiet(seen: Visit, page: Path) -> None:
    """Nothing went wrong, nothing was said, and nothing was requested but what lies beside."""
    assert (seen.errors, seen.said, seen.left) == ([], [], [])
    others = [url for url in seen.requests if not url.startswith(("data:", "blob:"))]
    folder = page.parent.as_uri()
    assert all(unquote(url).startswith(unquote(folder)) for url in others)
    assert others[0] == page.as_uri()[:200]


def switch(index: int, *, on: bool) -> dict:
    box = f"document.querySelector('input[name=layer][value=\"{index}\"]')"
    return {"run": f"if ({box}.checked !== {json.dumps(on)}) {box}.click()"}


def count(colour: bytes, tolerance: int = 12) -> dict:
    return {"count": list(colour), "in": "#canvas", "tolerance": tolerance}


def page_of(out: Path, case_id: str = "case7") -> Path:
    return out / case_id / f"{case_id}_report.html"


@pytest.fixture(scope="module")
def out(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    write_result(folder, files, report=True, varying=True, warnings=["t1c: a doubt"])
    return folder


def test_each_layer_is_seen_when_it_is_switched_on_and_not_when_it_is_off(out):
    page = page_of(out)
    blue, yellow = COLOURS["enhancing tumour"], COLOURS["oedema"]
    violet, teal = bytes.fromhex("781c6d"), bytes.fromhex("21918c")  # of inferno, of viridis
    # Layers are 4 images, the labels, entropy, 4 weights.
    steps = [
        VIEWER, TO_VIEWER, count(blue), count(yellow),
        switch(4, on=False), count(blue), count(yellow),
        count(violet, 40), switch(5, on=True), count(violet, 40), switch(5, on=False),
        count(teal, 30), switch(9, on=True), count(teal, 30), switch(9, on=False), count(teal, 30),
    ]  # fmt: skip
    seen = visit(page, *steps)
    found = [result for step, result in zip(steps, seen.results, strict=True) if "count" in step]
    labels_on, labels_off = found[:2], found[2:4]
    entropy_off, entropy_on, weight_off, weight_on, weight_off_again = found[4:]
    assert min(labels_on) > 200
    assert labels_off == [0, 0]
    assert (entropy_off, weight_off, weight_off_again) == (0, 0, 0)
    assert entropy_on > 200
    assert weight_on > 2000
    check_quiet(seen, page)


def test_what_spoke_against_and_who_decided_have_colours_of_their_own(files, tmp_path):
    write_result(tmp_path, files, report=True, contributions="signed")
    page = page_of(tmp_path)
    layer = (
        "JSON.parse(document.getElementById('data').textContent).volumes"
        ".findIndex(one => one.name === '{}')"
    )
    found = visit(
        page,
        VIEWER,
        {"run": layer.format("contribution-t2f-WT")},
        {"run": layer.format("decided-by")},
    )
    signed, decided = found.results[1:]
    blue, pink = bytes.fromhex("0000ff"), bytes.fromhex("cc79a7")  # of winter; of the last modality
    steps = [
        VIEWER, TO_VIEWER, switch(4, on=False), count(blue, 120), switch(signed, on=True), count(blue, 120),
        switch(signed, on=False), count(pink, 40), switch(decided, on=True), count(pink, 40),
        {"run": "document.getElementById('readout').textContent"},
    ]  # fmt: skip
    seen = visit(page, *steps)
    counts = [result for step, result in zip(steps, seen.results, strict=True) if "count" in step]
    assert (counts[0], counts[2]) == (0, 0)
    assert counts[1] > 2000
    assert counts[3] > 200
    assert "Decided by FLAIR" in seen.results[-1]
    assert "decided by T1ce" in page.read_text(encoding="utf-8")
    check_quiet(seen, page)


def test_another_image_and_another_slice_change_what_is_seen(out, tmp_path):
    shots = [tmp_path / f"{name}.png" for name in ("first", "image", "slice")]
    seen = visit(
        page_of(out), VIEWER, TO_VIEWER, {"pause": 300, "shot": str(shots[0])},
        {"run": "document.querySelector('input[name=image][value=\"1\"]').click()"},
        {"pause": 300, "shot": str(shots[1])},
        {"run": "(() => { const axial = document.querySelector('input[data-axis=\"2\"]');"
                " axial.value = 300; axial.dispatchEvent(new Event('input')); })()"},
        {"pause": 300, "shot": str(shots[2])},
        {"run": "document.getElementById('readout').textContent"},
    )  # fmt: skip
    first, image, slice_ = (path.read_bytes() for path in shots)
    assert len({first, image, slice_}) == 3
    assert re.fullmatch(r"-?\d+, -?\d+, -?\d+ mm: T1ce -?\d+, .+", seen.results[-1])


@pytest.mark.parametrize(
    "options", [{"empty": True}, {"modalities": ("t2f",)}], ids=["empty", "one modality"]
)
def test_an_empty_segmentation_and_one_modality_are_shown(files, tmp_path, options):
    write_result(tmp_path, files, report=True, **options)
    page = page_of(tmp_path)
    inputs = "[document.querySelectorAll('input[name=image]').length, document.querySelectorAll('input[name=layer]').length]"
    steps = [VIEWER, TO_VIEWER, count(COLOURS["enhancing tumour"]), {"run": inputs}]
    seen = visit(page, *steps)
    assert (seen.results[2] == 0) == ("empty" in options)
    assert seen.results[3] == ([4, 6] if "empty" in options else [1, 3])
    check_quiet(seen, page)


def test_maps_without_images_are_shown(files, tmp_path):
    copies = {name: tmp_path / path.name for name, path in files.items()}
    for name, path in files.items():
        copies[name].write_bytes(path.read_bytes())
    write_result(tmp_path / "out", copies)
    copies["t1c"].unlink()
    report_written(tmp_path / "out", "case7", DEFAULT_TASK)
    page = page_of(tmp_path / "out")
    seen = visit(page, VIEWER, TO_VIEWER, count(COLOURS["oedema"]))
    assert seen.results[2] > 200
    check_quiet(seen, page)


def test_markup_in_a_name_neither_runs_nor_breaks_the_page(files, tmp_path):
    name = f"case {MARKUP}".replace("/", "")
    write_result(tmp_path, files, name, report=True, warnings=[MARKUP])
    write_rows(tmp_path, (name, "ok", ""), ("x", "failed", f"E_CRC: {MARKUP}"))
    index = write_index(tmp_path, DEFAULT_TASK)
    page = page_of(tmp_path, name)
    seen = visit(
        page, VIEWER, {"run": "[document.title, document.querySelector('h1').textContent]"}
    )
    assert seen.results[1] == [f"{name} - segmentation report", name]
    check_quiet(seen, page)
    link = "document.querySelector('#cases a')"
    opened = visit(
        index,
        LIST,
        {
            "run": f"[{link}.textContent, {link}.href, document.querySelectorAll('#cases img').length]"
        },
    )
    text, href, n_images = opened.results[1]
    assert (text, n_images) == (name, 1)
    assert unquote(href) == f"file://{page}"
    check_quiet(opened, index)


def test_without_webgl_the_page_says_so_and_the_pictures_remain(out):
    page = page_of(out)
    shown = (
        "[document.getElementById('unavailable').checkVisibility(),"
        " document.getElementById('viewer').checkVisibility(),"
        " [...document.images].map(image => image.naturalWidth > 1000)]"
    )
    flags = {"flags": ["--disable-gpu", "--disable-3d-apis"]}
    seen = visit(page, flags, {"wait": "document.readyState === 'complete'"}, {"run": shown})
    assert seen.results[2] == [True, False, [True, True]]
    assert (seen.errors, seen.left) == ([], [])


def test_a_case_is_printed_on_a4_without_the_viewer(out, tmp_path):
    paper = tmp_path / "page.pdf"
    hidden = "document.getElementById('viewing').checkVisibility()"
    visit(page_of(out), VIEWER, {"pdf": str(paper)})
    content = paper.read_bytes()
    assert content.startswith(b"%PDF")
    widths = re.findall(rb"/MediaBox\s*\[0 0 ([0-9.]+) ([0-9.]+)\]", content)
    assert {(round(float(w)), round(float(h))) for w, h in widths} == {(595, 842)}
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", content)) <= 4
    printed = visit(page_of(out), {"media": {"media": "print"}}, VIEWER, {"run": hidden})
    assert printed.results[2] is False


@NEEDS_AXE
@pytest.mark.parametrize("media", [{"media": {}}, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("which", ["case", "list"])
def test_axe_finds_no_serious_fault(out, which, media):
    page = page_of(out)
    ready = VIEWER
    if which == "list":
        write_rows(out, ("case7", "ok", ""), ("x", "failed", "E_CRC: x: bad"))
        page, ready = write_index(out, DEFAULT_TASK), LIST
    seen = visit(page, media, ready, {"load": AXE}, {"run": AUDIT})
    assert seen.results[3] == []


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """120 results of 60 patients, and 3 failures."""
    folder = tmp_path_factory.mktemp("cohort")
    rows = [(f"bad-{index}", "failed", f"E_CRC: bad-{index}: damaged") for index in range(3)]
    for index in range(120):
        name = f"BraTS-GLI-{index // 2:05d}-{index % 2:03d}"
        volumes = {"necrotic core": 0.0, "oedema": index / 2, "enhancing tumour": 0.0}
        modalities = ["t2f"] if index % 3 == 0 else list(DEFAULT_TASK.modality_names)
        warnings = ["odd"] if index % 10 == 0 else []
        write_facts(folder, name, volumes_ml=volumes, modalities=modalities, warnings=warnings)
        rows.append((name, "ok", ""))
    write_rows(folder, *rows)
    return write_index(folder, DEFAULT_TASK)


NAMES = "[...document.querySelectorAll('#cases tbody th')].map(cell => cell.textContent)"
SHOWN = "document.getElementById('shown').textContent"


def click(selector: str) -> dict:
    return {"run": f"document.querySelector({json.dumps(selector)}).click()"}


def enter(selector: str, value: str) -> dict:
    at = f"document.querySelector({json.dumps(selector)})"
    return {"run": f"{at}.value = {json.dumps(value)}; {at}.dispatchEvent(new Event('input'))"}


def test_the_list_begins_with_failures_and_goes_on_page_by_page(cohort):
    seen = visit(
        cohort, LIST, {"run": NAMES}, click("#next"), {"run": NAMES}, click("#next"), {"run": NAMES}
    )
    first, second, third = seen.results[1], seen.results[3], seen.results[5]
    assert first[:4] == ["bad-0", "bad-1", "bad-2", "BraTS-GLI-00000-000"]
    assert (len(first), len(second), len(third)) == (50, 50, 23)
    assert third[-1] == "BraTS-GLI-00059-001"
    check_quiet(seen, cohort)


def test_the_list_sorts_both_ways_and_what_has_no_value_comes_last(cohort):
    total = 'button[data-sort="total"]'
    state = (
        "document.querySelector('button[data-sort=total]').closest('th').getAttribute('aria-sort')"
    )
    seen = visit(
        cohort, LIST, click(total), {"run": NAMES}, click(total), {"run": NAMES}, {"run": state}
    )
    assert seen.results[2][:2] == ["BraTS-GLI-00000-000", "BraTS-GLI-00000-001"]
    assert seen.results[4][:2] == ["BraTS-GLI-00059-001", "BraTS-GLI-00059-000"]
    assert seen.results[5] == "descending"


def test_the_list_filters_by_text_status_modalities_and_warnings(cohort):
    seen = visit(
        cohort, LIST,
        enter("#find", "gli-00007"), {"run": NAMES}, enter("#find", ""),
        enter("#set", "partial"), {"run": SHOWN}, enter("#set", ""),
        click("#doubts"), {"run": SHOWN}, click("#doubts"),
        click("[data-find]"), {"run": NAMES},
    )  # fmt: skip
    assert seen.results[2] == ["BraTS-GLI-00007-000", "BraTS-GLI-00007-001"]
    assert seen.results[5] == "40 of 123 cases"
    assert seen.results[8] == "12 of 123 cases"
    assert seen.results[11] == ["bad-0", "bad-1", "bad-2"]


def test_visits_stand_in_order_with_the_change_and_a_word_on_other_modalities(cohort):
    cells = "[...document.querySelectorAll('#patients table')].slice(0, 2).map(table => [...table.querySelectorAll('tr')].map(row => [...row.cells].map(cell => cell.textContent)))"
    seen = visit(cohort, LIST, {"run": cells})
    first, second = seen.results[1]
    assert first[1][0] == "BraTS-GLI-00000-000"
    assert first[2][3:] == ["+0.50", "other modalities than the visit before"]
    assert second[2][2:] == ["1.50", "+0.50 (+50 %)", "other modalities than the visit before"]
