"""What a BIDS data set says of itself."""

from pathlib import Path

from bundle.files.json_file import parse_json

DESCRIPTION = "dataset_description.json"

_MAX_BYTES = 1_000_000


def is_derived(description: Path) -> bool:
    """Whether a BIDS data set was computed of another one, by what it says of itself."""
    try:
        with description.open("rb") as file:
            said = parse_json(file.read(_MAX_BYTES))
    except (OSError, ValueError):
        return False
    # The first key is that of BIDS 1.4 and later, the second one that of drafts before.
    return isinstance(said, dict) and (
        said.get("DatasetType") == "derivative" or "PipelineDescription" in said
    )
