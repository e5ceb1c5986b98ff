"""What a BIDS data set says of itself as a whole, at its root."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bundle import __version__
from bundle.errors import OutputError
from bundle.files.atomic_file import appearing_at_once, make_folder
from bundle.files.json_file import json_bytes, parse_json
from bundle.outputs.bids.case_tree import DATA_SET, SIDECAR, case_facts
from bundle.outputs.bids.names import BidsName
from bundle.outputs.bids.sidecars import CASE_ID
from bundle.plain_text import printable
from bundle.tasks.task import Task

NAME = "SimMLM"
BIDS_VERSION = "1.10.0"
DESCRIPTION = "dataset_description.json"
NOT_SAID = "n/a"

_README = """\
Segmentations by {name} {version} ({title})

Research only, not for diagnosis.

*_dseg.nii.gz holds exclusive labels, which *_dseg.tsv names; *_dseg.json has
volumes, warnings, settings, versions and the SHA-256 of weights and images.
*_desc-entropy_probseg.nii.gz is the entropy of the decision in bits, and
*_desc-weight*_probseg.nii.gz the share of each modality, as is
*_desc-contribution*_probseg.nii.gz, of what was decided: none of them is a
probability. All lie on the grid of the images.

participants.tsv has for each subject the name of its case, where that is
another one.
"""


class DataSet:
    """Keeps the files at the root of a data set that grows case by case.

    Args:
        output_dir: ``OUT``, in which the data set lies.
        task: of the network.
    """

    def __init__(self, output_dir: Path | str, task: Task) -> None:
        self.root = Path(output_dir) / DATA_SET
        self.task = task

    def check(self) -> None:
        """Refuse to write into a data set of somebody else.

        Raises:
            OutputError: E_EXISTS.
        """
        path = self.root / DESCRIPTION
        if path.exists() and not _is_ours(path):
            raise OutputError(
                "E_EXISTS",
                f"{path} must be of this program, to be replaced; it is not. Choose another"
                " folder.",
            )

    def write(self) -> None:
        """Describe what is there by now.

        Raises:
            OutputError: a file cannot be written.
        """
        make_folder(self.root)
        text = _README.format(name=NAME, version=__version__, title=self.task.title)
        files = {
            DESCRIPTION: json_bytes(_description()),
            "README": text.encode(),
            "participants.tsv": self._participants().encode(),
            "participants.json": json_bytes(
                {CASE_ID: {"Description": "Name of the case, if it is not the subject's own"}}
            ),
        }
        for name, content in files.items():
            with appearing_at_once(self.root / name) as file:
                file.write(content)

    def _participants(self) -> str:
        rows = dict(sorted(self._rows()))
        lines = [f"{participant}\t{case_id}\n" for participant, case_id in rows.items()]
        return "".join([f"participant_id\t{CASE_ID}\n", *lines])

    def _rows(self) -> Iterator[tuple[str, str]]:
        """Find subjects and the cases that they are called otherwise than."""
        for sidecar in self.root.glob(f"sub-*/**/anat/*{SIDECAR}"):
            facts = case_facts(sidecar.parent)
            if facts is not None:
                case_id = str(facts.get(CASE_ID))
                name = BidsName.of_case(case_id)
                shown = NOT_SAID if case_id == name.stem else printable(case_id)
                yield name.participant, shown


def _description() -> Mapping[str, Any]:
    return {
        "Name": f"{NAME} segmentations",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": NAME,
                "Version": __version__,
                "Description": "Segmentation from any set of MRI modalities; research only",
            }
        ],
    }


def _is_ours(path: Path) -> bool:
    try:
        content: Any = parse_json(path.read_bytes())
        return any(maker.get("Name") == NAME for maker in content["GeneratedBy"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False


def data_set(output_dir: Path | str, task: Task, *, is_on: bool) -> DataSet | None:
    """Return the data set in a folder of results, None if there is none and is to be none.

    One of an earlier run must stay true also when a run without it takes cases out.
    """
    found = DataSet(output_dir, task)
    return found if is_on or _is_ours(found.root / DESCRIPTION) else None
