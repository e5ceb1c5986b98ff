"""The mixture whose modalities are channels of one image."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bundle.mixture.dmome import DMoME


class ImageMixture(DMoME):
    """The mixture of images, whose exported files call their input ``image``.

    ONNX and TorchScript take the names of their inputs from the arguments of ``forward``; whoever
    runs such a file gives its input by that name. Weights have the names that ``DMoME`` gives them.

    Args:
        experts: as ``DMoME``.
        gate: as ``DMoME``.
        mixer: as ``DMoME``.
        gate_reads: as ``DMoME``.
        spacing: mm, of the voxels that it sees; its weights tell of it, in a buffer of that name.
    """

    def __init__(
        self,
        experts: Mapping[str, nn.Module],
        gate: nn.Module,
        mixer: nn.Module,
        *,
        gate_reads: str = "inputs",
        spacing: int = 1,
    ) -> None:
        super().__init__(experts, gate, mixer, gate_reads=gate_reads)
        self.register_buffer("spacing", torch.tensor(float(spacing)))

    def forward(self, image: Tensor, presence: Tensor | None = None) -> Tensor:
        """Predict windows or whole images.

        Args:
            image: (B, M, H, W, D), normalised per modality.
            presence: (B, M) bool, True = acquired. Left out, it is read off the image, which is
                right for whole images only: in a window an acquired modality may be zero too.

        Returns:
            (B, R, H, W, D) logits of overlapping regions.
        """
        return self.predict(image, presence)
