"""What weights tell of the network that they are of: how wide it is, and which voxels it sees."""

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from bundle.errors import SetupError
from bundle.volume_networks.spacing import spacing_in
from bundle.weights.checkpoints import verified_sha256
from bundle.weights.state_file import State, read_weights

_FIRST_LEVEL = re.compile(r"(.*\b)(?:input_block|layers\.0)\.conv1\.conv\.weight")
_LEVEL = re.compile(r"(input_block|downsamples\.\d+|bottleneck|layers\.\d+)\.conv1\.conv\.weight")
"""What the first convolution of each level is called, from the finest on: in MONAI's ``DynUNet``,
and in an encoder of its layers."""


class TrainedAs:
    """Settings of their training that whoever uses weights must have too.

    The weights are read if one is asked for that was not given.

    Args:
        checkpoint: the weights.
        filters: feature maps of each level of an expert, from the finest on; None asks the weights.
        spacing: mm, of the voxels that the network sees; None asks the weights.
    """

    def __init__(
        self,
        checkpoint: Path | str,
        *,
        filters: Sequence[int] | None = None,
        spacing: int | None = None,
    ) -> None:
        self.checkpoint = Path(checkpoint)
        self._filters = filters
        self._spacing = spacing

    @property
    def filters(self) -> list[int]:
        """Feature maps of each level of an expert, from the finest on.

        Raises:
            SetupError: E_WEIGHTS, E_WEIGHTS_CHECKSUM, the file is missing or damaged, or holds no
                U-Net.
        """
        return self._widths(self._state) if self._filters is None else list(self._filters)

    @property
    def spacing(self) -> int:
        """Spacing of the voxels that the network sees, mm.

        Raises:
            SetupError: E_WEIGHTS, E_WEIGHTS_CHECKSUM, the file is missing or damaged.
        """
        return spacing_in(self._state) if self._spacing is None else self._spacing

    @cached_property
    def _state(self) -> State:
        verified_sha256(self.checkpoint)
        return read_weights(self.checkpoint)

    def _widths(self, state: State) -> list[int]:
        unet = next((found[1] for found in map(_FIRST_LEVEL.fullmatch, state) if found), None)
        if unet is None:
            raise SetupError(
                "E_WEIGHTS",
                f"The weights {self.checkpoint} must hold U-Nets, which tell the setting filters;"
                " got others. Choose weights of this network, or give the setting.",
            )
        return [
            len(value)
            for name, value in state.items()
            if name.startswith(unet) and _LEVEL.fullmatch(name.removeprefix(unet))
        ]
