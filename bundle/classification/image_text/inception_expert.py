"""Inception-V3 as the expert of pictures, with weights from a local file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from bundle.errors import SetupError
from bundle.files.extras import import_extra
from bundle.files.text_file import shown
from bundle.weights.state_file import read_weights

N_FEATURES = 2048
LEFT_OUT = ("AuxLogits.", "fc.")
"""How names of weights begin that only serve the 1,000 classes of ImageNet."""
_COUNTER = ".num_batches_tracked"


class InceptionExpert(nn.Module):
    """Inception-V3 without its auxiliary output: (B, 3, S, S) to logits (B, C).

    Its batch norms keep the statistics of ImageNet, so that cases do not influence each other. Its
    own scale of pixels, a mean and a standard deviation of half the range, is that of `scaled`.
    Nothing is ever downloaded. It was never run here as a whole: no torchvision was to be had for
    this build of torch; loading and frozen batch norms are tested on small layers.

    Args:
        file: torchvision's ``inception_v3_google-0cc3c7bd.pth``.
        n_classes: C.

    Raises:
        SetupError: E_WEIGHTS, the file is missing, damaged, or of another network; E_EXTRA,
            torchvision is not installed.

    Source: Szegedy et al., Rethinking the Inception architecture, CVPR 2016; the experts of UPMC
        Food-101 in Li et al., SimMLM.
    """

    def __init__(self, file: Path | str | None, n_classes: int) -> None:
        super().__init__()
        path = _held(file)
        models = import_extra("torchvision.models", "inception")
        self.inception: nn.Module = models.inception_v3(
            weights=None, aux_logits=False, transform_input=False, init_weights=False
        )
        self.inception.fc = nn.Identity()
        load_features(self.inception, path)
        self.output_block: nn.Module = nn.Linear(N_FEATURES, n_classes)

    def train(self, mode: bool = True) -> "InceptionExpert":
        """Change to training or back; batch norms stay as they are."""
        super().train(mode)
        freeze_batch_norms(self)
        return self

    def forward(self, pictures: Tensor) -> Tensor:
        """Score the classes of pictures of at least 75 pixels a side, best 299."""
        scores: Tensor = self.output_block(self.inception(pictures))
        return scores


def freeze_batch_norms(network: nn.Module) -> None:
    """Let batch norms use the statistics that they have, in training too."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()


def load_features(network: nn.Module, path: Path) -> None:
    """Load all weights of a network that has no output layers.

    Args:
        network: what to fill.
        path: a state dict, which may hold `LEFT_OUT` besides.

    Raises:
        SetupError: E_WEIGHTS, it is damaged, or of another network.
    """
    state = {
        name: value for name, value in read_weights(path).items() if not name.startswith(LEFT_OUT)
    }
    wanted = {name: value for name, value in network.state_dict().items() if _is_weight(name)}
    found = {name: value for name, value in state.items() if _is_weight(name)}
    odd = sorted(wanted.keys() ^ found.keys()) or _misshapen(wanted, found)
    if odd:
        raise SetupError(
            "E_WEIGHTS",
            f"{shown(path)} must hold the weights of Inception-V3; got {len(odd)} that differ in"
            f" name or shape, for example {shown(odd[0])}. {_where_from()}",
        )
    network.load_state_dict(found, strict=False)


def _is_weight(name: str) -> bool:
    return not name.endswith(_COUNTER)  # older files have none


def _misshapen(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    return [name for name in wanted if wanted[name].shape != found[name].shape]


def _held(file: Path | str | None) -> Path:
    if file is None or not Path(file).is_file():
        place = "nothing" if file is None else f"no such file: {shown(file)}"
        raise SetupError(
            "E_WEIGHTS",
            f"image_weights must be the file of Inception-V3's weights; got {place}."
            f" {_where_from()}",
        )
    return Path(file)


def _where_from() -> str:
    return (
        "Nothing is downloaded here: copy inception_v3_google-0cc3c7bd.pth of"
        " download.pytorch.org/models, and name it in image_weights."
    )
