"""Small networks of every kind, for the tests of what all of them promise."""

from collections.abc import Callable

from torch import nn

from bundle.mixture.dmome import DMoME
from bundle.mixture.mixers import FeatureMixer, LogitMixer, ProbabilityMixer, StaticMixer
from bundle.mixture.modality_network import ModalityNetwork
from bundle.peers.early_fusion import EarlyFusion
from bundle.peers.momke import MoMKE
from bundle.peers.shaspec import ShaSpec
from bundle.tasks.default import DEFAULT_TASK
from bundle.volume_networks.experts import FeatureHead, feature_expert, unet
from bundle.volume_networks.gate import GateCNN

MODALITIES, REGIONS = DEFAULT_TASK.modality_names, DEFAULT_TASK.region_names

SHAPE = (36, 40, 44)
"""Three sizes that the small U-Nets can halve twice, and the gate five times."""


def unet_options(in_channels: int = 1) -> dict:
    return {
        "spatial_dims": 3,
        "in_channels": in_channels,
        "out_channels": len(REGIONS),
        "kernel_size": [3, 3, 3],
        "strides": [1, 2, 2],
        "upsample_kernel_size": [2, 2],
        "filters": [4, 4, 8],
        "norm_name": ("instance", {"affine": True}),
    }


def mixture(
    mixer: nn.Module, expert: Callable[..., nn.Module] = unet, n_scores: int = len(REGIONS)
) -> DMoME:
    experts = {modality: expert(**unet_options()) for modality in MODALITIES}
    return DMoME(experts, GateCNN(len(MODALITIES), n_scores), mixer)


def feature_mixture() -> DMoME:
    return mixture(FeatureMixer(FeatureHead(4, len(REGIONS))), feature_expert, n_scores=1)


def momke(
    expert: Callable[[], nn.Module] = lambda: nn.Conv3d(1, 4, kernel_size=3, padding=1),
) -> MoMKE:
    """Experts of one layer unless others are asked for: each modality goes through all of them."""
    experts = {modality: expert() for modality in MODALITIES}
    routers = {modality: GateCNN(1, len(MODALITIES)) for modality in MODALITIES}
    return MoMKE(experts, routers, FeatureHead(4 * len(MODALITIES), len(REGIONS), n_hidden=4))


def shaspec() -> ShaSpec:
    specific = {modality: unet(**unet_options()) for modality in MODALITIES}
    return ShaSpec(unet(**unet_options()), specific, unet(**unet_options()))


NETWORKS: dict[str, Callable[[], ModalityNetwork]] = {
    "logits": lambda: mixture(LogitMixer()),
    "probabilities": lambda: mixture(ProbabilityMixer()),
    "static": lambda: mixture(StaticMixer()),
    "features": feature_mixture,
    "early fusion": lambda: EarlyFusion(unet(**unet_options(len(MODALITIES)))),
    "MoMKE": momke,
    "ShaSpec": shaspec,
}
