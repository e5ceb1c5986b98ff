"""Writes the outputs of a case on the patient's grid, whole or not at all."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from bundle.cases.case_record import CaseRecord
from bundle.files.staged_folder import staged
from bundle.interruption import unbroken
from bundle.outputs.bids.case_tree import CaseTree, withdraw
from bundle.outputs.case_output import CaseOutputs
from bundle.outputs.case_result import CaseResult
from bundle.outputs.earlier_results import check_free
from bundle.outputs.hand_over import HandOver
from bundle.outputs.publication import publish


class MapWriter:
    """Ignite handler that writes ``OUT/CASE/CASE_*.nii.gz`` and, last, ``OUT/CASE/CASE.json``.

    A handler rather than a transform in ``postprocessing``, because MONAI Label runs the transforms
    too and would write on its server. Where the JSON stands, the case is complete. What must not be
    replaced, see ``earlier_results``, is refused as soon as the case is read, before anything is
    computed.

    Args:
        output_dir: made if it is not there.
        outputs: what is written, see ``output_list.case_outputs``.
        overwrite: replace the result of another input, too.
        tree: writes each case as part of a BIDS data set too; left out, what an earlier run put
            there is removed, as it would show the old result.
    """

    def __init__(
        self,
        output_dir: Path | str,
        outputs: CaseOutputs,
        *,
        overwrite: bool = False,
        tree: CaseTree | None = None,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.outputs = outputs
        self.overwrite = overwrite
        self.tree = tree
        self.started_s = 0.0

    def attach(self, engine: Engine) -> None:
        """Write after every iteration of an evaluator that decollates its batches, or leave it to
        who runs the evaluator, see ``HandOver``.
        """
        engine.add_event_handler(Events.GET_BATCH_STARTED, self._start)
        engine.add_event_handler(Events.GET_BATCH_COMPLETED, self._check_batch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._write_batch)

    def _start(self, _engine: Engine) -> None:
        self.started_s = time.monotonic()

    def _check_batch(self, engine: Engine) -> None:
        state: Any = engine.state
        for text in state.batch["record"]:
            self.check(CaseRecord.from_json(text))

    def _write_batch(self, engine: Engine) -> None:
        computed_s = time.monotonic() - self.started_s
        hand_over = HandOver.of(engine)
        state: Any = engine.state
        for item, output in zip(state.batch, state.output, strict=True):
            read_s = 0.0 if hand_over is None else hand_over.read_s
            result = CaseResult.of_case({**item, **output}, read_s + computed_s)
            if hand_over is None:
                self.write_result(result)
            else:
                hand_over.writes.append(partial(self.write_result, result))

    def check(self, record: CaseRecord) -> None:
        """Refuse a case that cannot have an output that was asked for, or whose results would
        replace what they must not, see ``earlier_results.check_free``.
        """
        self.outputs.check(record)
        if self.tree is not None:
            self.tree.check(record.case_id)
        check_free(
            self.output_dir / record.case_id,
            record.case_id,
            record.inputs,
            needed=self.outputs.names(record),
            possible=self.outputs.possible_names(record.case_id),
            overwrite=self.overwrite,
        )

    def write(self, case: Mapping[str, Any], computed_s: float | None = None) -> Path:
        """Write one case.

        Args:
            case: after post-processing, see ``maps.SplitMapsd``.
            computed_s: see ``CaseResult``.

        Returns:
            The case's folder.

        Raises:
            CaseError: as ``write_result``, as is the rest.
        """
        return self.write_result(CaseResult.of_case(case, computed_s))

    def write_result(self, result: CaseResult) -> Path:
        """Write one case, in any thread.

        Returns:
            The case's folder.

        Raises:
            CaseError: an output cannot be made of the case, or what is there must not be replaced.
                Nothing is written.
            OutputError: the folder cannot be written; files of an earlier run may be gone, nothing
                is half-written.
        """
        record = result.record
        self.check(record)
        folder = self.output_dir / record.case_id
        with staged(folder) as stage:
            for output in self.outputs.written:
                output.write(stage, result)
            with unbroken(), self._in_data_set(stage, record.case_id):
                publish(stage, folder, record, self.outputs.possible_names(record.case_id))
        return folder

    @contextlib.contextmanager
    def _in_data_set(self, stage: Path, case_id: str) -> Iterator[None]:
        """Bring the case into the BIDS data set, or out of it, once its result is in place."""
        if self.tree is not None:
            with self.tree.appearing(stage, case_id):
                yield
        else:
            yield
            withdraw(self.output_dir, case_id)
