"""The words that people write into the names of MRI scans of any task, by what they say."""


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


CONTRAST, NATIVE, PLANE, LABEL_WORD, ODD = "contrast", "native", "plane", "label", "odd"
"""Kinds of words besides those that name a modality."""

_AGENTS = word_set(
    "gd gad gado gadolinium gadovist gadavist gadobutrol gadoterate dotarem magnevist omniscan"
    " prohance multihance"
)
CONTRAST_WORDS = _AGENTS | word_set("""
    ce c+ +c +gd +ce +km gd+ post contrast contrasted postcontrast postgd postgad postgado
    postgadolinium postce postcon postkm cecontrast enhanced contrastenhanced km kontrast
    kontrastmittel mitkm nachkm contraste dtpa
    """)
NATIVE_WORDS = word_set("""
    pre native nativ nat precontrast pregd pregad prekm prece noncontrast nocontrast nonenhanced
    unenhanced ohnekm nogd nogad noce nongd nonce plain
    """)
NEGATIONS = word_set("no non without wo ohne sans vor before pre not")
FILLERS = word_set("with mit nach after agent")
PLANE_WORDS = word_set("""
    ax axial tra trans transverse transversal cor coronal sag sagittal mprage spgr fspgr bravo
    tfe ffe vibe space cube tse fse 3d 2d iso
    """)
ODD_WORDS = word_set("""
    dce dsc perf perfusion pwi swi swan map t1map t2map mapping adc dwi dti t2star tirm stir
    darkfluid fluid subtraction subtracted difference synth synthetic synthetised mtr qsm
    """)
LABEL_WORDS = word_set("""
    seg segm segmentation segmentations mask masks label labels labelmap lesion lesions roi rois
    gt truth groundtruth annotation annotations dseg aseg aparc brainmask contour
    """)
