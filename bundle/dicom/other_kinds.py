"""Series that belong to most exams of a head and are no plain images of it.

A task that declares a kind of the same name has it instead: what one task leaves out is what
another one needs.
"""

from bundle.tasks.series_rules import SeriesKind, Timing

LOCALISER = "localiser"

OTHER_KINDS = (
    SeriesKind(
        LOCALISER,
        "a localiser",
        r"\b(localizer|localiser|loc|scout|survey|topogram|smartbrain|3 ?plane|aascout)\b",
    ),
    SeriesKind(
        "diffusion",
        "diffusion or a map of it",
        r"\b(s?dwi|dti|diff|diffusion|[de]?adc|tracew?|tensor|colfa|fa|dki|noddi)\b|\bb ?\d{3,4}\b",
    ),
    SeriesKind(
        "perfusion",
        "perfusion or a map of it",
        r"\b(perf\w*|dsc|dce|pwi|asl|pcasl|r?cb[fv]|mtt|ttp|tmax|k ?trans|twist)\b",
    ),
    SeriesKind(
        "susceptibility",
        "susceptibility-weighted",
        r"\b(swi\w*|swan|qsm|hemo|ffe ?t2|venobold|mag images|pha images)\b|t2 ?(\*|star)",
        physics=(Timing(te=(12.5, 100), tr=(13, 1500), sequence=("GR",), no_sequence=("EP",)),),
    ),
    SeriesKind(
        "angiography",
        "angiography",
        r"\b(tof|mra|mrv|angio\w*|venogra\w*|pca|pc3d|inhance|trance)\b",
    ),
    SeriesKind("map", "a computed map", r"\bt[12] ?map|\b(map|maps|mapping|t1rho|uni|synth\w*)\b"),
    SeriesKind("difference", "a subtraction", r"\bsubtr\w*|\bsubs?\b(?! ?\d)"),
    SeriesKind("projection", "a projection", r"\b(mip|minip|proj\w*)\b"),
    SeriesKind("function", "functional imaging", r"\b(bold|fmri|resting|rsfmri)\b"),
    SeriesKind("spectroscopy", "spectroscopy", r"\b(mrs|svs|csi|spectro\w*)\b"),
    SeriesKind(
        "calibration", "a calibration", r"\b(calib\w*|asset|field ?map\w*|b[01] ?map|shim)\b"
    ),
    SeriesKind(
        "short inversion",
        "short-inversion-time imaging",
        r"\bstir\b",
        physics=(Timing(te=(15, 200), tr=(1800, 20000), ti=(80, 350)),),
    ),
    SeriesKind(
        "proton density",
        "proton-density-weighted",
        r"\b(pd|pdw|proton)\b",
        physics=(Timing(te=(0, 50), tr=(1800, 20000), inversion=False, sequence=("SE",)),),
    ),
    SeriesKind(
        "double inversion", "double-inversion imaging", r"\b(dir|double inversion|psir|wmn)\b"
    ),
    SeriesKind(
        "echo planar",
        "echo-planar imaging",
        r"\b(epi|ep2d|ep3d)\b",
        physics=(Timing(sequence=("EP",)),),
    ),
)

IMAGE_TYPES = {
    "LOCALIZER": "a localiser",
    "ADC": "a map of diffusion",
    "FA": "a map of diffusion",
    "TRACEW": "diffusion",
    "DIFFUSION": "diffusion",
    "PERFUSION": "perfusion",
    "MIP": "a projection",
    "MIN IP": "a projection",
    "MNIP": "a projection",
    "PROJECTION IMAGE": "a projection",
    "SUBTRACTION": "a subtraction",
    "SUB": "a subtraction",
    "T1 MAP": "a computed map",
    "T2 MAP": "a computed map",
    "T2_STAR MAP": "a computed map",
    "P": "a phase image",
    "PHASE": "a phase image",
    "PHASE MAP": "a phase image",
    "REAL": "the real part of an image",
    "IMAGINARY": "the imaginary part of an image",
    "SCREEN SAVE": "a picture of a screen",
    "MOSAIC": "a mosaic",
}
"""Values of ImageType from the third on that say that a series is no plain image."""
