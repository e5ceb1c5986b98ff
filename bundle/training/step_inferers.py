"""What a training step asks of the network."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.engines import PrepareBatch
from monai.inferers import Inferer
from monai.utils import CommonKeys
from torch import Tensor

from bundle.errors import SetupError
from bundle.mixture.modality_network import ModalityNetwork
from bundle.tensors import Inputs, first_tensor, plain_inputs


class PrepareBatchFlags(PrepareBatch):
    """Move image and label to the device, and leave modality sets on the CPU.

    There they steer which experts run; MONAI's ``PrepareBatchExtraInput`` moves them to the GPU,
    from where reading them makes every step wait for the one before it.

    Args:
        keys: of the modality sets, (B, M) bool; each is given to the inferer under its own name.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = tuple(keys)

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: torch.device | str | None = None,
        non_blocking: bool = False,
        **options: Any,
    ) -> tuple[Inputs, Tensor | None, tuple[()], dict[str, Tensor]]:
        """Return image, label, and the modality sets by name."""
        options = {"device": device, "non_blocking": non_blocking, **options}
        image, label = batchdata[CommonKeys.IMAGE], batchdata.get(CommonKeys.LABEL)
        moved = _moved(image, options)
        truth = label.to(**options) if isinstance(label, Tensor) else None
        return moved, truth, (), {key: batchdata[key] for key in self.keys}


class ExpertsInferer(Inferer):
    """Stage 1: run every present expert on its own modality.

    Args:
        amp: compute in bfloat16 where that is safe (the sums of losses stay in float32).
        names: of the experts to train; left out, all. The others are not run.
    """

    def __init__(self, amp: bool = False, names: Sequence[str] | None = None) -> None:
        super().__init__()
        self.amp = amp
        self.names = None if names is None else tuple(names)

    def __call__(  # type: ignore[override]
        self, inputs: Inputs, network: ModalityNetwork, presence: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Run the experts.

        Args:
            inputs: (B, M, ...), or modality to (B, ...).
            network: the mixture.
            presence: (B, M) bool; on the CPU it costs no device sync.

        Returns:
            Expert logits (B, M, R, ...), or (B, M, 0) where no expert has a case, and the flags
            (B, M), on the CPU, that tell which of them count.

        Raises:
            SetupError: ``names`` has an expert that the network does not have.
        """
        flags = presence.cpu() & self._trained(network.modalities)
        device = first_tensor(inputs).device
        if not flags.any():
            return torch.empty((*flags.shape, 0), device=device), flags
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.amp):
            return network.encode(plain_inputs(inputs), flags), flags

    def _trained(self, modalities: Sequence[str]) -> Tensor:
        unknown = [name for name in self.names or () if name not in modalities]
        if unknown:
            raise SetupError(
                "E_EXPERTS",
                f"experts to train must be among {', '.join(modalities)}; got {unknown[0]!r}."
                " Correct the name.",
            )
        return torch.tensor([self.names is None or name in self.names for name in modalities])


class PairInferer(Inferer):
    """Stage 2: predict one sample from two modality sets, running each expert once and the gate
    twice.

    Args:
        amp: as ``ExpertsInferer``.
        with_experts: also return what the experts say alone.
    """

    def __init__(self, amp: bool = False, *, with_experts: bool = False) -> None:
        super().__init__()
        self.amp = amp
        self.with_experts = with_experts

    def __call__(  # type: ignore[override]
        self, inputs: Inputs, network: ModalityNetwork, more: Tensor, fewer: Tensor
    ) -> tuple[Tensor, ...]:
        """Predict from both sets.

        Args:
            inputs: (B, M, ...), or modality to (B, ...).
            network: the mixture.
            more: (B, M) bool, the larger sets; on the CPU they cost no device sync.
            fewer: (B, M) bool, subsets of ``more``.

        Returns:
            Logits of the larger and of the smaller sets, (B, R, ...) each; and, if asked for, those
            of the experts, (B, M, R, ...), and the flags (B, M) of those that ran, on the CPU.
        """
        inputs, more, fewer = plain_inputs(inputs), more.cpu(), fewer.cpu()
        device = first_tensor(inputs).device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.amp):
            encoded = network.encode(inputs, more)
            of_more = network.mix(encoded, inputs, more).logits
            of_fewer = network.mix(encoded, inputs, fewer).logits
        return (of_more, of_fewer, encoded, more) if self.with_experts else (of_more, of_fewer)


def _moved(inputs: Inputs, options: Mapping[str, Any]) -> Inputs:
    if isinstance(inputs, Tensor):
        return inputs.to(**options)
    return {name: values.to(**options) for name, values in inputs.items()}
