"""Cases with classes that are small and known on paper."""

import torch

from bundle.classification.class_cases import ClassCases, InMemory

CLASSES = ("left", "right", "up")


def small_cases(n: int = 12, *, without: tuple[tuple[int, str], ...] = ()) -> ClassCases:
    """Return cases whose vectors point to their class: image (N, 1, 12, 12), audio (N, 1, 8, 8).

    Args:
        n: cases, their classes in turn.
        without: (position, modality) of what a case lacks.
    """
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % len(CLASSES)
    image = torch.rand(n, 1, 12, 12, generator=generator)
    audio = torch.rand(n, 1, 8, 8, generator=generator)
    for position, label in enumerate(labels.tolist()):
        image[position, 0, 4 * label : 4 * label + 4] += 1
        audio[position, 0, :, 2 * label : 2 * label + 2] += 1
    presence = torch.ones(n, 2, dtype=torch.bool)
    tensors = {"image": image, "audio": audio}
    for position, name in without:
        presence[position, list(tensors).index(name)] = False
        tensors[name][position] = 0
    names = tuple(f"case-{position}" for position in range(n))
    return ClassCases(tuple(tensors), CLASSES, names, labels, presence, InMemory(tensors))
