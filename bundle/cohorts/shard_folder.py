"""An output folder that the shards of one run share; the one that ends last joins their tables."""

import csv
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bundle.cohorts.case_table import CaseTable, read_rows
from bundle.cohorts.run_record import (
    FINISHED,
    RUNNING,
    STOPPED,
    RunRecord,
    read_record,
    record_path,
)
from bundle.cohorts.shard import Shard
from bundle.errors import OutputError
from bundle.files.atomic_file import unescaped, write_csv
from bundle.files.folder_owner import gathered, live_parts, part_owner
from bundle.files.json_file import json_bytes, parse_json
from bundle.outputs.run_files import TABLE
from bundle.plain_text import printable

LOGGER = logging.getLogger("simmlm")

_OF_A_SHARD = re.compile(r"(?:cases|run)-\d+-of-(\d+)\.(?:csv|json)")


class ShardFolder:
    """What one shard does in the folder.

    Args:
        folder: of the outputs, exists.
        columns: of the tables.
        identity: plain facts by which results of the run are told from others.
        shard: of this process.
    """

    def __init__(
        self, folder: Path, columns: Sequence[str], identity: Mapping[str, Any], shard: Shard
    ) -> None:
        self.folder, self.columns, self.shard = folder, tuple(columns), shard
        self.identity = parse_json(json_bytes(identity))  # as records give it back
        self.table = table_path(folder, shard)

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Work beside shards of the same run.

        Raises:
            OutputError: E_BUSY, somebody else works there, or on another run; E_EXISTS.
        """
        CaseTable(self.folder / TABLE, self.columns).check()
        with part_owner(self.folder, self.shard.name, self._check):
            yield

    @contextmanager
    def closing(self, names: Sequence[str]) -> Iterator[None]:
        """Let nobody else end meanwhile, and then join the tables if this shard ends last.

        Args:
            names: of all cases, in the order of the joined table.

        Raises:
            OutputError: E_WRITE.
        """
        with gathered(self.folder):
            yield
            missing = self._missing()
            if missing:
                LOGGER.info(
                    "%s is written when the other shards have ended: %s", TABLE, ", ".join(missing)
                )
            else:
                self._join(names)

    def _check(self, has_others: bool) -> None:
        if has_others:
            self._check_others()
        RunRecord(self.folder, self.identity, self.shard).begin(0)

    def _check_others(self) -> None:
        for part in live_parts(self.folder):
            record = read_record(self.folder / f"run-{part}.json") or {}
            is_one = part.endswith(f"-of-{self.shard.of}")
            if not is_one or record.get("identity") != self.identity:
                raise OutputError(
                    "E_BUSY",
                    f"Shards in {self.folder} must be of one run; got {self.shard} beside"
                    f" {part.replace('-of-', '/')} of another number, or with other settings,"
                    " weights or version. Wait for it, or choose another folder.",
                )

    def _missing(self) -> list[str]:
        """Name the shards that have not ended, or did so with other settings."""
        shards = _all_of(self.shard)
        records = {shard: read_record(record_path(self.folder, shard)) or {} for shard in shards}
        return [
            str(shard)
            for shard, record in records.items()
            if record.get("identity") != self.identity or record.get("state") == RUNNING
        ]

    def _join(self, names: Sequence[str]) -> None:
        place = {printable(name): number for number, name in reversed(list(enumerate(names)))}
        rows: list[dict[str, str]] = []
        counts: Counter[str] = Counter()
        states = set()
        for shard in _all_of(self.shard):
            record = read_record(record_path(self.folder, shard)) or {}
            counts.update(record["counts"])
            states.add(record["state"])
            rows += _rows(table_path(self.folder, shard))
        rows.sort(key=lambda row: place.get(row["case_id"], len(place)))
        write_csv(self.folder / TABLE, self.columns, rows)
        state = FINISHED if states == {FINISHED} else STOPPED
        RunRecord(self.folder, self.identity, None).end(state, counts)
        forget_shards(self.folder, but_of=self.shard.of)


def table_path(folder: Path, shard: Shard) -> Path:
    """Name the table of a shard."""
    return folder / f"cases-{shard.name}.csv"


def forget_shards(folder: Path, *, but_of: int | None = None) -> None:
    """Remove tables and records of the shards of earlier runs.

    Args:
        folder: of the outputs.
        but_of: the number of shards of which they are kept.
    """
    for path in folder.iterdir():
        found = _OF_A_SHARD.fullmatch(path.name)
        if found and int(found.group(1)) != but_of:
            with suppress(OSError):
                path.unlink()


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        columns, rows = read_rows(path)
    except FileNotFoundError:  # a shard without a case
        return []
    except (OSError, csv.Error, UnicodeError, ValueError) as error:
        raise OutputError(
            "E_WRITE",
            f"{path} must be the table of a shard, to be joined; got: {error}. Run that shard"
            " again.",
        ) from None
    return [dict(zip(columns, map(unescaped, row), strict=False)) for row in rows]


def _all_of(shard: Shard) -> list[Shard]:
    return [Shard(number, shard.of) for number in range(1, shard.of + 1)]
