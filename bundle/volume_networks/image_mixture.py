"""The mixture whose modalities are channels of one image."""

from typing import Any

from torch import Tensor

from bundle.mixture.dmome import DMoME
from bundle.volume_networks.spacing import SPACING, with_spacing


class ImageMixture(DMoME):
    """The mixture of images, whose exported files call their input ``image``.

    ONNX and TorchScript take the names of their inputs from the arguments of ``forward``; whoever
    runs such a file gives its input by that name. Weights have the names that ``DMoME`` gives them,
    and one more: the spacing of the voxels that it sees, 1 mm until ``with_spacing`` says another.

    Args:
        parts: experts, gate and mixer, as ``DMoME``.
        options: as ``DMoME``.
    """

    def __init__(self, *parts: Any, **options: Any) -> None:
        super().__init__(*parts, **options)
        with_spacing(self, 1)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *options: Any, **more: Any
    ) -> None:
        """Load weights, also those from before they told their spacing, which stays as it is."""
        state_dict.setdefault(prefix + SPACING, self.get_buffer(SPACING))
        super()._load_from_state_dict(state_dict, prefix, *options, **more)

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
