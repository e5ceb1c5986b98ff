"""Loads MONAI without packages that it takes where they are installed and no command but training
and evaluation can need: most of a command's start would be theirs.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

OPTIONAL = (
    "jsonschema",
    "matplotlib",
    "mlflow",
    "pandas",
    "requests",
    "scipy.signal",
    "sklearn",
    "tensorboard",
    "tensorboardX",
    "transformers",
)
"""Packages without which MONAI works, as its own requirements say.

torchvision is none of them here: networks that a setting may name are built of it. Of transformers
MONAI builds one network of images and text, which segments nothing.
"""
SHARDED_OPTIMIZERS, OPTIMIZER = "torch.distributed.optim", "ZeroRedundancyOptimizer"
"""A class that ignite compares checkpoints' parts with, and where it takes it from, which loads a
third of torch that nothing else needs: none is saved here.
"""


def load_monai() -> None:
    """Import MONAI and torch as if some packages were not installed, unless MONAI is there already.

    Whoever imports these packages later gets them; only MONAI does without.
    """
    if "monai" in sys.modules:
        return
    with _hidden():
        import monai  # noqa: F401  here, and not above, because it takes seconds


@contextmanager
def _hidden() -> Iterator[None]:
    """Let what is optional be missing, as None in ``sys.modules`` says."""
    placeholders: dict[str, Any] = dict.fromkeys(OPTIONAL)
    placeholders[SHARDED_OPTIMIZERS] = _no_optimizers()
    hidden = {name: held for name, held in placeholders.items() if name not in sys.modules}
    sys.modules.update(hidden)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _no_optimizers() -> ModuleType:
    """Return a module with a class of which nothing is an instance."""
    module = ModuleType(SHARDED_OPTIMIZERS)
    setattr(module, OPTIMIZER, type(OPTIMIZER, (), {}))
    return module
