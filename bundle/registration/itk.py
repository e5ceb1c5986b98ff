"""SimpleITK without its annotations, which are incomplete: type checkers would refuse each call."""

from typing import Any, TypeAlias

import SimpleITK

sitk: Any = SimpleITK
Image: TypeAlias = Any
"""A ``SimpleITK.Image``."""
Transform: TypeAlias = Any
"""A ``SimpleITK.Transform``."""
