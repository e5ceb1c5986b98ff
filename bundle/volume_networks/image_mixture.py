"""The mixture whose modalities are channels of one image."""

from torch import Tensor

from bundle.mixture.dmome import DMoME


class ImageMixture(DMoME):
    """The mixture of images, whose exported files call their input ``image``.

    ONNX and TorchScript take the names of their inputs from the arguments of ``forward``; whoever
    runs such a file gives its input by that name. Weights have the names that ``DMoME`` gives them.

    Args:
        experts: as ``DMoME``.
        gate: as ``DMoME``.
        mixer: as ``DMoME``.
    """

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
