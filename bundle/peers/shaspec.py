"""ShaSpec of volumes: shared and specific features of U-Nets, fused at every level."""

from collections.abc import Mapping, Sequence

from monai.networks.nets import DynUNet
from torch import Tensor, nn

from bundle.peers.shared_specific import SharedSpecificNetwork
from bundle.volume_networks.unet_halves import UNetDecoder, UNetEncoder


class ShaSpec(SharedSpecificNetwork):
    """Shared-specific feature modelling in U-Nets.

    The paper fuses one feature map per modality; here every level of the U-Net is fused in the same
    way, so that its skip connections stay, and a linear layer brings the concatenated f of a level
    to the decoder's channels.

    Args:
        shared: gives the shared encoder.
        specific: one per modality, give the specific encoders, which read (B, 1, H, W, D). Their
            order is that of the channels.
        decoder: gives the decoder; its output has the channels of the regions.

    Source: Wang et al., ShaSpec, arXiv:2307.14126, see ``SharedSpecificNetwork``.
    """

    def __init__(self, shared: DynUNet, specific: Mapping[str, DynUNet], decoder: DynUNet) -> None:
        super().__init__()
        encoder = UNetEncoder(shared)
        self.shared = encoder
        self.specific = nn.ModuleDict({name: UNetEncoder(unet) for name, unet in specific.items()})
        self.decoder = UNetDecoder(decoder)
        n, filters = len(specific), encoder.filters
        self.projections = nn.ModuleList(
            nn.Conv3d(2 * width, width, 1, bias=False) for width in filters
        )
        self.joints = nn.ModuleList(nn.Conv3d(n * width, width, 1, bias=False) for width in filters)
        self.domain_classifier = nn.Linear(filters[-1], n)

    def _levels(self, encoder: nn.Module, values: Tensor) -> Sequence[Tensor]:
        levels: Sequence[Tensor] = encoder(values)
        return levels

    def _decode(self, fused: Sequence[Tensor]) -> Tensor:
        joints = zip(self.joints, fused, strict=True)
        logits: Tensor = self.decoder([joint(level) for joint, level in joints])
        return logits
