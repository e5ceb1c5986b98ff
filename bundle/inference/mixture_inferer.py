"""Runs the mixture over whole cases, window by window."""

from collections.abc import Sequence
from typing import Any

import torch
from monai.data import MetaTensor
from monai.utils import convert_to_dst_type, ensure_tuple_rep
from torch import Tensor

from bundle.devices import has_bfloat16
from bundle.inference.window_blend import Place
from bundle.inference.window_memory import check_window
from bundle.inference.windowed_inferer import Said, WindowedInferer
from bundle.inference.without_one import (
    NOT_COMPUTED,
    OneWindow,
    sets_without_one,
    what_is_found,
)
from bundle.mixture.mixing import derive_presence
from bundle.mixture.modality_network import ModalityNetwork
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task
from bundle.tensors import plain_tensor
from bundle.volume_networks.pooling import pool_inside, unpool
from bundle.volume_networks.windows import Window
from bundle.weights.calibration import Calibration


class MixtureInferer(WindowedInferer):
    """Sliding windows that blend logits and gate weights with the same importance map.

    Presence is decided once per case and given to every window: a window of background alone would
    otherwise look as if the case had no modality at all.

    Args:
        roi_size: as ``WindowedInferer``.
        weights_per_region: keep one weight map per modality and region instead of their mean.
        without_one: also tell what every set finds that lacks one more of the acquired modalities;
            the experts run once for all, the gate and the mixer once for each.
        contributions: also keep what each modality adds to the logits.
        calibration: of the probabilities, by which ``without_one`` tells doubts; None for none.
        task: says whether anything lies outside.
        options: as ``WindowedInferer``.
    """

    def __init__(
        self,
        roi_size: Window,
        *,
        weights_per_region: bool = True,
        without_one: bool = False,
        contributions: bool = False,
        calibration: Calibration | None = None,
        task: Task = DEFAULT_TASK,
        **options: Any,
    ) -> None:
        super().__init__(roi_size, **options)
        self.weights_per_region = weights_per_region
        self.without_one = without_one
        self.contributions = contributions
        self.calibration = calibration
        self.task = task

    def __call__(  # type: ignore[override]
        self, inputs: Tensor, network: ModalityNetwork, presence: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Predict whole cases.

        Args:
            inputs: (B, M, H, W, D), preprocessed; of any size, also smaller than the window.
                ``overlap`` in its metadata overrides this object's.
            network: the mixture.
            presence: (B, M) bool; left out, a channel that is zero everywhere counts as absent.

        Returns:
            ``logits`` (B, R, H, W, D), ``weights`` (B, M, R, H, W, D), or (B, M, 1, H, W, D) means
            over the regions, and ``mean_weights`` (B, M, R) over what is not outside, float32; on
            request ``counts_without`` (B, M, L) float64, voxels of labels, ``NOT_COMPUTED`` where
            there is no set without that modality, with ``entropies_without`` (B, M), see ``Found``;
            and ``parts`` (B, M, R, H, W, D) float32, which sum to the logits over M. A dictionary,
            because MONAI takes batches of no other kind of named parts into cases.

        Raises:
            CaseError: E_MEMORY, a window does not fit into what is free.
            SetupError: E_SETTING, the network's logits are no sum over modalities.
        """
        fine = plain_tensor(inputs)
        presence = derive_presence(fine) if presence is None else presence.bool().cpu()
        image = pool_inside(fine, self.spacing)
        overlap = inputs.meta.get("overlap") if isinstance(inputs, MetaTensor) else None
        fitted = self.fitted_to(image.shape[2:], overlap)
        if image.device.type == "cpu":
            window, in_bfloat16 = (
                ensure_tuple_rep(fitted.roi_size, 3),
                has_bfloat16(self.amp, "cpu"),
            )
            check_window(window, network, in_bfloat16=in_bfloat16)
        cases = [
            fitted._one(image[i : i + 1], presence[i : i + 1], network, fine.shape[2:])
            for i in range(len(image))
        ]
        predicted: dict[str, Tensor] = {}
        for name in cases[0]:
            parts = [case[name] for case in cases]
            predicted[name] = torch.cat(parts) if len(parts) > 1 else parts[0]
        for name in {"logits", "weights", "parts"} & predicted.keys():
            # With the metadata of the input: without it MONAI's Invertd would skip the way back,
            # with a warning only.
            predicted[name] = convert_to_dst_type(predicted[name], inputs, dtype=torch.float32)[0]
        return predicted

    def _one(
        self, image: Tensor, presence: Tensor, network: ModalityNetwork, shape: Sequence[int]
    ) -> dict[str, Tensor]:
        """Blend one case, pooled, into maps of (H, W, D) voxels of 1 mm.

        Weights are one number per window, and those of absent modalities 0: they are blended
        without a map per window.
        """
        places: list[Place] = []
        weights: list[Tensor] = []
        fewer = sets_without_one(presence) if self.without_one else {}
        boxed: list[Tensor] = []
        in_box = self._one_window(network, image, shape) if fewer else None
        wanted = (presence,) if in_box else (presence, *fewer.values())

        def said_of(window: Tensor) -> Said:
            sets = [chosen.expand(len(window), -1) for chosen in wanted]
            with self.autocast(window.device):
                encoded = network.encode(window, sets[0])
                mixtures = [network.mix(encoded, window, flags) for flags in sets]
                if in_box:
                    boxed.extend(in_box.logits(network, encoded, window, list(fewer.values())))
            maps = [mixture.logits.float() for mixture in mixtures]
            if self.contributions:
                maps.append(network.parts(encoded, mixtures[0], sets[0]).flatten(1, 2))
            whole = torch.cat(maps, dim=1) if len(maps) > 1 else maps[0]
            return whole, mixtures[0].weights.float()

        def predict(window: Tensor, windows: list[list[slice]]) -> Tensor:
            maps, shares = self.seen(said_of, window)
            places.extend(tuple(place[2:]) for place in windows)
            weights.append(shares)
            return maps

        blended = super().__call__(image, predict)
        assert isinstance(blended, Tensor)
        maps = unpool(blended, self.spacing, shape)
        n_groups = len(wanted) + (image.shape[1] if self.contributions else 0)
        n_regions = maps.shape[1] // n_groups
        logits, *others = maps[:, : n_regions * len(wanted)].chunk(len(wanted), dim=1)
        shares, means = self._blended(torch.cat(weights), places, image, shape)
        predicted = {"logits": logits, "weights": shares, "mean_weights": means}
        if self.contributions:
            parts = maps[:, n_regions * len(wanted) :]
            predicted["parts"] = parts.reshape(1, -1, n_regions, *shape)
        if self.without_one:
            predicted |= self._without(fewer, boxed or [one[0] for one in others])
        return predicted

    def _blended(
        self, said: Tensor, places: Sequence[Place], image: Tensor, shape: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Blend the weights of N windows, (N, M, R), into maps (1, M, R, *shape), or of their means
        over the regions, and into means (1, M, R) over what is not outside.
        """
        blend = self.blend(places, image.shape[2:], said.device)
        means = blend.means(said[:, None], self._not_outside(image))
        if not self.weights_per_region:
            said = said.mean(dim=2, keepdim=True)
        shares = blend.maps(said.flatten(1))[None]
        if len(places) == 1:  # the same everywhere
            shares = shares[..., :1, :1, :1].expand(-1, -1, *shape)
        else:
            shares = unpool(shares, self.spacing, shape)
        return shares.reshape(1, *said.shape[1:], *shape), means

    def _one_window(
        self, network: ModalityNetwork, image: Tensor, shape: Sequence[int]
    ) -> OneWindow | None:
        """Return how what sets without one modality find is told in a box, where it can be."""
        window = ensure_tuple_rep(self.roi_size, 3)
        padding = [side - size for side, size in zip(window, image.shape[2:], strict=True)]
        if self.mirrored or min(padding) < 0 or not network.finds_where_experts_do:
            return None
        return OneWindow(padding, self.spacing, shape)

    def _without(self, fewer: dict[int, Tensor], logits: Sequence[Tensor]) -> dict[str, Tensor]:
        """Tell what is found without one modality, from the logits (R, ...) of these sets."""
        n_modalities = self.task.n_modalities
        counts = torch.full(
            (1, n_modalities, len(self.task.labels)), NOT_COMPUTED, dtype=torch.float64
        )
        entropies = torch.full((1, n_modalities), torch.nan)
        for (channel, flags), of_set in zip(fewer.items(), logits, strict=True):
            if self.calibration is not None:
                of_set = self.calibration.scaled(of_set, int(flags.sum()), self.task)
            found = what_is_found(of_set, self.task)
            counts[0, channel], entropies[0, channel] = found.counts, found.entropy
        return {"counts_without": counts, "entropies_without": entropies}

    def _not_outside(self, image: Tensor) -> Tensor:
        """Return where one case (1, M, H, W, D) is not outside; everywhere if nothing is."""
        inside = (image != 0).any(dim=1)
        if self.task.outside is None or not inside.any():
            return torch.ones_like(inside)
        return inside
