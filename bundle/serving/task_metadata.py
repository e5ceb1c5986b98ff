"""What ``configs/metadata.json`` says of a task: texts, channels, labels."""

import copy
from collections.abc import Mapping
from typing import Any

from bundle.tasks.task import Task


def metadata_for(task: Task, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a bundle as they are where it is for another task.

    What was said about data and literature of the first is left out.
    """
    described = copy.deepcopy(dict(metadata))
    titles = ", ".join(modality.title for modality in task.modalities)
    labels = ", ".join(f"{value} {name}" for value, name in task.label_names.items())
    described.update(
        {
            "name": f"SimMLM: {task.title}, with missing modalities",
            "task": f"{task.title}: segmentation from any non-empty set of {titles}",
            "description": _description(task),
            "data_source": "not stated",
            "image_classes": f"{task.n_modalities} channels: {titles}; absent modalities are 0",
            "label_classes": f"single channel: {labels}",
            "pred_classes": f"single channel: {labels}",
            "references": list(metadata["references"])[:1],
        }
    )
    _describe_channels(described["network_data_format"], task)
    return described


def _description(task: Task) -> str:
    names = ",".join(task.modality_names)
    return (
        "A dynamic mixture of modality experts (one 3D U-Net per modality, a 3D-CNN gate, a mixer"
        f" of logits), task {task.title}, from up to {task.n_modalities} modalities, any of which"
        " may be missing, with entropy and modality-weight maps. A MONAI Label request may add:"
        f" overlap (0 to 0.9; 0.5), modalities (of a 4D file, such as {names}),"
        f" label_numbering ({', '.join(task.numberings)}), maps (none, entropy, all)."
    )


def _describe_channels(formats: Mapping[str, Any], task: Task) -> None:
    labels = {str(value): name for value, name in task.label_names.items()}
    image = formats["inputs"]["image"]
    image["num_channels"] = task.n_modalities
    image["channel_def"] = {str(m): name for m, name in enumerate(task.modality_names)}
    network = formats["outputs"]["pred"]
    network.update({"num_channels": task.n_regions, "channel_def": labels})
    final = formats["post_processed_outputs"]["pred"]
    final.update({"value_range": [0, len(task.labels)], "channel_def": labels})
