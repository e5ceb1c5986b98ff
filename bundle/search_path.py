"""Puts the bundle's folder on Python's path.

Configs run this file by its path, before anything else: until then nothing can be imported from it.
"""

import sys
from pathlib import Path

ROOT = str(Path(__file__).absolute().parents[1])

if ROOT not in sys.path:
    sys.path.insert(1, ROOT)  # before packages that are installed, so that a copy runs its own code
