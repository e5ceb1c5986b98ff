"""Opens a case in 3D Slicer: images, segmentation, entropy and modality weights, with names,
windows and colours.

It runs inside Slicer, from a copy of this file that lies among the results of the case::

    Slicer --python-script OUT/CASE/load_in_slicer.py

or, in Slicer's Python console::

    import runpy; runpy.run_path(r"OUT/CASE/load_in_slicer.py")

The text is the same for every case; what is to be opened stands in ``CASE.json`` beside it. Slicer
reads scripts in the system's encoding, and Python 3.9 runs them in its older versions: this file is
plain ASCII and uses nothing newer.
"""

from __future__ import annotations

import json
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import slicer

INFERNO = "vtkMRMLColorTableNodeFileInferno.txt"
VIRIDIS = "vtkMRMLColorTableNodeFileViridis.txt"
FAINTEST_BIT = 0.01  # entropy below is transparent: the background, and voxels without any doubt
ABOVE_ALL_BITS = 2.0  # above the largest entropy, which rounding may push over 1
FILL_OPACITY = 0.3  # of the segments in slice views; their outlines stay opaque


def main(folder: Path) -> None:
    """Open the case whose results lie in a folder, and say what can be done next."""
    case, facts = read_case(folder)
    images = load_images(folder, case, facts["inputs"])
    load_segmentation(folder / f"{case}.seg.nrrd", case)
    maps = load_maps(folder, case, facts["maps"], len(facts.get("decided_by", {})))
    entropy = maps.get("entropy")
    order = facts["opened_first"]  # the first one that could be opened is shown
    shown = next((modality for modality in order if modality in images), None)
    slicer.util.setSliceViewerLayers(
        background=images[shown] if shown else entropy,
        foreground=entropy if shown else None,  # which may have been left out, too
        foregroundOpacity=0.0,
        fit=True,
    )
    explain(case, shown, sorted(maps))


def read_case(folder: Path) -> tuple[str, dict[str, Any]]:
    """Find the case's JSON: the one named as its folder, or else the only one."""
    named = folder / f"{folder.name}.json"
    found = [named] if named.is_file() else sorted(folder.glob("*.json"))
    if len(found) != 1:
        raise FileNotFoundError(
            f"{folder} must hold the case's JSON; got {len(found)} files *.json. Copy it there."
        )
    return found[0].stem, json.loads(found[0].read_text(encoding="utf-8"))


def load_images(folder: Path, case: str, inputs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Open the images that were segmented, as far as they can be found; modality to volume node."""
    images = {}
    for modality, entry in inputs.items():
        path = find_image(folder, entry["file"])
        if path is None:
            say(
                f"{modality} is left out: neither {entry['file']!r} nor a file of that name beside"
                " the results exists."
            )
            continue
        try:
            images[modality] = load_image(path, f"{case} {modality}", entry)
        except RuntimeError as error:
            say(f"{modality} is left out: {error}")
    return images


def find_image(folder: Path, recorded: str) -> Path | None:
    """Return the recorded file if it is still there, or else its namesake among the results."""
    path = Path(recorded)
    beside = folder / PureWindowsPath(recorded).name  # which splits at / and at \
    if path.is_absolute() and path.is_file():
        return path
    return beside if beside.is_file() else None


def load_image(path: Path, name: str, entry: dict[str, Any]) -> Any:
    """Open one image, from the darkest to the brightest percent of its voxels that are not 0."""
    volume = load_channel(path, name, entry) if "channel" in entry else load_volume(path, name)
    voxels = slicer.util.arrayFromVolume(volume)
    inside = voxels[voxels != 0]
    if inside.size:
        low, high = np.percentile(inside, (1, 99))
        set_window(volume, float(low), float(high))
    return volume


def load_volume(path: Path, name: str) -> Any:
    """Open a 3D file without showing it yet."""
    volume = slicer.util.loadVolume(str(path), properties={"singleFile": True, "show": False})
    volume.SetName(name)
    return volume


def load_channel(path: Path, name: str, entry: dict[str, Any]) -> Any:
    """Open one volume of a 4D file, which Slicer only opens as a sequence, as a volume of
    its own.
    """
    sequence = slicer.util.loadSequence(str(path), properties={"show": False})
    try:
        count = sequence.GetNumberOfDataNodes()
        if count != entry["n_channels"]:
            raise RuntimeError(
                f"{str(path)!r} must hold {entry['n_channels']} volumes; got {count}."
            )
        source = sequence.GetNthDataNode(entry["channel"])
        volume = slicer.util.addVolumeFromArray(slicer.util.arrayFromVolume(source), name=name)
        volume.CopyOrientation(source)
    finally:
        slicer.mrmlScene.RemoveNode(sequence)
    return volume


def load_segmentation(path: Path, case: str) -> None:
    """Open the segments, whose names and colours are in the file."""
    segmentation = slicer.util.loadSegmentation(str(path))
    segmentation.SetName(f"{case} segmentation")
    display = segmentation.GetDisplayNode()
    display.SetOpacity2DFill(FILL_OPACITY)
    display.SetVisibility(True)


def load_maps(folder: Path, case: str, names: list[str], n_modalities: int) -> dict[str, Any]:
    """Open entropy, weights and contributions, which are in [0, 1], or in [-1, 1] if they are
    signed, and the numbers of the modalities that decided.

    Kind, for example ``weight-t1c``, to volume node.
    """
    maps = {}
    for name in names:
        kind = name[len(case) + 1 : -len(".nii.gz")]
        if kind == "seg":
            continue
        volume = load_volume(folder / name, f"{case} {kind}")
        is_signed = (
            kind.startswith("contribution") and slicer.util.arrayFromVolume(volume).min() < 0
        )
        high = float(n_modalities) if kind == "decided-by" else 1.0
        set_window(volume, -1.0 if is_signed else 0.0, high)
        display = volume.GetDisplayNode()
        is_entropy = kind.startswith("entropy")
        display.SetAndObserveColorNodeID(INFERNO if is_entropy else VIRIDIS)
        if is_entropy:
            display.SetThreshold(FAINTEST_BIT, ABOVE_ALL_BITS)
            display.ApplyThresholdOn()
        maps[kind] = volume
    return maps


def set_window(volume: Any, low: float, high: float) -> None:
    """Give a volume a fixed window, so that Slicer does not choose one."""
    display = volume.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(low, high)


def explain(case: str, shown: str | None, kinds: list[str]) -> None:
    """Tell the user what is shown and how to see the rest."""
    say(f"{case}: the segmentation is shown{f' on {shown}' if shown else '; no image was found'}.")
    if shown and "entropy" in kinds:
        say(
            "The entropy is the foreground with opacity 0: raise it with the slider in the bar of a"
            " slice view."
        )
    if kinds:
        say(f"Choose what is in front in the same bar: {', '.join(kinds)}.")
    say(
        "Entropy is in bits, weights and contributions are shares; their colour scales go from 0 to"
        " 1, those of signed contributions from -1 to 1. Research use only."
    )


def say(text: str) -> None:
    """Write to Slicer's Python console."""
    print(text)  # noqa: T201


main(Path(__file__).resolve().parent)
