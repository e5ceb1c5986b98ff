"""Predicts whole cases from every modality set, each as if the other files were not there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms.utils import generate_spatial_bounding_box
from torch import Tensor

from bundle.cases.preparation import is_not_zero
from bundle.inference.window_blend import Place
from bundle.inference.windowed_inferer import Said, WindowedInferer
from bundle.mixture.mixing import derive_presence
from bundle.mixture.modality_network import ModalityNetwork
from bundle.tensors import plain_tensor
from bundle.volume_networks.pooling import pool_inside, unpool
from bundle.volume_networks.windows import Window

Box = tuple[tuple[int, int], ...]


class SetInferer(WindowedInferer):
    """All modality sets of a case at the cost of the experts once, for validation and evaluation.

    Args:
        modality_sets: sets as presence flags.
        amp: as ``WindowedInferer``.
        own_boxes: each set gives what ``MixtureInferer`` gives on a case that has only these files,
            also where these alone would be cropped to another box: sets with different boxes are
            run apart, one after the other. Else all sets see the whole image.
        roi_size: as ``MixtureInferer``.
        options: as MONAI's ``SlidingWindowInferer``: ``overlap``, ``sw_batch_size``, ``mode``.
    """

    def __init__(
        self,
        modality_sets: list[list[bool]],
        roi_size: Window,
        amp: bool | str = False,
        *,
        own_boxes: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(roi_size, amp, **options)
        self.sets = torch.tensor(modality_sets, dtype=torch.bool)
        self.own_boxes = own_boxes

    def __call__(  # type: ignore[override]
        self, inputs: Tensor, network: ModalityNetwork, presence: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Predict one case from the sets of its modalities.

        Args:
            inputs: (1, M, H, W, D), preprocessed.
            network: the mixture.
            presence: (1, M) bool; left out, a channel that is zero everywhere counts as absent.

        Returns:
            ``sets`` (1, S, M) bool, those wanted that the case has; ``logits`` (1, S, R, H, W, D),
            -inf outside the set's box; ``weights`` (1, S, M, R), the gate's mean over the set's
            brain. Without any such set, S and R are 0.
        """
        image = plain_tensor(inputs)
        if len(image) != 1:
            raise ValueError(f"inputs must hold one case; got {len(image)}.")
        acquired = (derive_presence(image) if presence is None else presence.bool().cpu())[0]
        sets = self.sets[~(self.sets & ~acquired).any(dim=1)]
        boxes = _boxes(image[0], sets) if self.own_boxes else [_whole(image)] * len(sets)
        places_of: dict[Box, list[int]] = {}
        for place, box in enumerate(boxes):
            places_of.setdefault(box, []).append(place)
        outputs = [
            (places, box, *self._predict(image, box, sets[places], network))
            for box, places in places_of.items()
        ]
        mixture = _join(outputs, image, len(sets))
        return {"sets": sets[None], **{name: part[None] for name, part in mixture.items()}}

    def _predict(
        self, image: Tensor, box: Box, sets: Tensor, network: ModalityNetwork
    ) -> tuple[Tensor, Tensor]:
        """Predict from sets that share a box: logits (S, R, h, w, d) and mean weights (S, M, R)."""
        present = sets.any(dim=0, keepdim=True)
        rows, columns, planes = _slices(box)
        fine = image[..., rows, columns, planes]
        part = pool_inside(fine, self.spacing)
        blended, weights = self.fitted_to(part.shape[2:])._blended(part, present, sets, network)
        logits = unpool(blended[None], self.spacing, fine.shape[2:])
        return logits.reshape(len(sets), -1, *fine.shape[2:]), weights

    def _blended(
        self, part: Tensor, present: Tensor, sets: Tensor, network: ModalityNetwork
    ) -> tuple[Tensor, Tensor]:
        """Blend windows of a part, pooled: logits (S * R, h, w, d) and mean weights (S, M, R)."""
        places: list[Place] = []
        weights: list[Tensor] = []

        def said_of(window: Tensor) -> Said:
            with self.autocast(window.device):
                encoded = network.encode(window, present.expand(len(window), -1))
                mixed = [
                    network.mix(encoded, window, chosen.expand(len(window), -1)) for chosen in sets
                ]
            maps = torch.stack([mixture.logits.float() for mixture in mixed], dim=1).flatten(1, 2)
            return maps, torch.stack([mixture.weights for mixture in mixed], dim=1).float()

        def predict(window: Tensor, windows: list[list[slice]]) -> Tensor:
            maps, shares = self.seen(said_of, window)
            places.extend(tuple(place[2:]) for place in windows)
            weights.append(shares)
            return maps

        blended = super().__call__(part, predict)
        assert isinstance(blended, Tensor)
        blend = self.blend(places, part.shape[2:], blended.device)
        brains = torch.stack([is_not_zero(part[0, chosen]).any(dim=0) for chosen in sets])
        return blended[0], blend.means(torch.cat(weights), brains)


def _boxes(image: Tensor, sets: Tensor) -> list[Box]:
    """Return, for every set, the box of the voxels that are not zero in one of its modalities (M,
    H, W, D).
    """
    ends = [_ends(image[m : m + 1]) for m in range(len(image))]
    boxes = []
    for chosen in sets:
        of_set = [ends[m] for m in chosen.nonzero().flatten().tolist()]
        starts, stops = zip(*of_set, strict=True)
        low, high = np.min(starts, axis=0), np.max(stops, axis=0)
        boxes.append(tuple(zip(low.tolist(), high.tolist(), strict=True)))
    return boxes


def _ends(channel: Tensor) -> tuple[list[int], list[int]]:
    low, high = generate_spatial_bounding_box(channel, select_fn=is_not_zero, allow_smaller=True)
    return list(map(int, low)), list(map(int, high))


def _whole(image: Tensor) -> Box:
    return tuple((0, size) for size in image.shape[2:])


def _slices(box: Box) -> list[slice]:
    return [slice(*span) for span in box]


def _join(
    outputs: Sequence[tuple[list[int], Box, Tensor, Tensor]], image: Tensor, n_sets: int
) -> dict[str, Tensor]:
    """Put the parts of all boxes together: logits (S, R, H, W, D) and weights (S, M, R)."""
    n_modalities, *shape = image.shape[1:]
    if not outputs:
        nothing = image.new_zeros((0, 0, *shape))
        return {"logits": nothing, "weights": image.new_zeros((0, n_modalities, 0))}
    _, _, first, first_weights = outputs[0]
    if len(outputs) == 1 and list(first.shape[2:]) == shape:
        return {"logits": first, "weights": first_weights}
    logits = first.new_full((n_sets, first.shape[1], *shape), -torch.inf)
    weights = first_weights.new_zeros((n_sets, *first_weights.shape[1:]))
    for places, box, part, part_weights in outputs:
        for place, one in zip(places, part, strict=True):
            rows, columns, planes = _slices(box)
            logits[place, :, rows, columns, planes] = one
        weights[places] = part_weights
    return {"logits": logits, "weights": weights}
