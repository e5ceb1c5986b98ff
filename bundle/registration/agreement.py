"""How well the edges of two scans agree, whatever their contrasts.

Source: Haber and Modersitzki, Intensity gradient based registration and fusion of multi-modal
images, Methods of Information in Medicine 46 (2007): normalised gradient fields.
"""

import numpy as np
from numpy.typing import NDArray

from bundle.registration.itk import Image
from bundle.registration.pyramid import Pyramid, resampled
from bundle.registration.world import Move, pulling, to_array, turning

GRID_MM = 2.0
NEAR_MM, NEAR_DEGREES = 3.0, 3.0
_AXES = np.eye(3)


class Agreement:
    """Compares a scan with its reference in any position.

    Args:
        scan: which moves.
        reference: which stays.
    """

    def __init__(self, scan: Pyramid, reference: Pyramid) -> None:
        self.scan, self.reference = scan, reference
        self.grid, mask = reference.comparison_grid(GRID_MM)
        self.compared = to_array(mask) > 0
        self.fixed = self._directions(resampled(reference.smoothed(GRID_MM), self.grid))

    def of(self, move: Move) -> float:
        """Return the mean squared cosine between the two scans' gradients, 0 to 1.

        Only its comparison with other positions of the same scans means anything.
        """
        moved = resampled(self.scan.smoothed(GRID_MM), self.grid, pulling(move))
        cosines = (self.fixed * self._directions(moved)).sum(axis=0)
        return float(np.square(cosines).mean())

    def near(self, move: Move) -> list[float]:
        """Return the agreement of positions a little beside one: shifted, and turned."""
        centre = self.reference.centre
        shifts = [
            turning((0, 0, 0), centre, sign * NEAR_MM * axis) for axis in _AXES for sign in (1, -1)
        ]
        turns = [
            turning((sign * x, sign * y, sign * z), centre, np.zeros(3))
            for x, y, z in NEAR_DEGREES * _AXES
            for sign in (1, -1)
        ]
        return [self.of(beside @ move) for beside in (*shifts, *turns)]

    def _directions(self, image: Image) -> NDArray[np.float32]:
        """Return gradients (3, N) of length below 1: those of noise are short."""
        gradients = np.array(np.gradient(to_array(image)))[:, self.compared]
        squares = np.square(gradients).sum(axis=0)
        noise = np.mean(np.sqrt(squares)) ** 2
        directions: NDArray[np.float32] = gradients / np.sqrt(squares + noise + 1e-12)
        return directions
