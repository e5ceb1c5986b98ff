"""Makes what runs a case, where the case is run; whatever a case raises becomes its outcome."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from monai.data import DataLoader, Dataset
from monai.engines import Evaluator

from bundle.cohorts.case_outcome import CaseOutcome
from bundle.cohorts.engines import Case, Worker
from bundle.cohorts.failures import failed_outcome, may_go_away
from bundle.cohorts.phases import Rest
from bundle.configuration import load_config
from bundle.errors import CaseError
from bundle.interruption import TimeIsUpError, time_limit
from bundle.names.case_ids import id_problem, is_case_id
from bundle.outputs.hand_over import HandOver
from bundle.outputs.run_files import INDEX, OK, RECORD, TABLE
from bundle.plain_text import printable

LOGGER = logging.getLogger("simmlm")

RunCase = Callable[[Case], dict[str, Any]]
"""Does the work for a case and returns its plain JSON facts; raises what goes wrong."""


@dataclass(frozen=True)
class ReadCase:
    """A case that the network can take.

    Attributes:
        batch: of this case alone.
        seconds: that it took.
    """

    batch: Any
    seconds: float


class EvaluatorRun:
    """Runs an evaluator on one case after the other, and forgets one before the next.

    A ``phases.PhasedRun``: what it reads and writes, it may read and write in another thread.

    Args:
        evaluator: a MONAI evaluator whose post-processing leaves ``result``; its handlers keep the
            rest, or write it by what ``HandOver`` asks of them.
        preprocessing: reads and prepares a case.
    """

    def __init__(self, evaluator: Evaluator, preprocessing: Callable[[Any], Any]) -> None:
        self.evaluator = evaluator
        self.preprocessing = preprocessing

    def __call__(self, case: Mapping[str, Any]) -> dict[str, Any]:
        """Return the ``result`` of a case."""
        return self.compute(self.read(case))()

    def read(self, case: Mapping[str, Any]) -> ReadCase:
        """Read and prepare a case."""
        started_s = time.monotonic()
        loader = DataLoader(Dataset([case], self.preprocessing), batch_size=1, num_workers=0)
        (batch,) = loader
        return ReadCase(batch, time.monotonic() - started_s)

    def compute(self, read: ReadCase) -> Rest:
        """Run the evaluator; its handlers are left to write in what is returned."""
        hand_over = HandOver(read.seconds)
        hand_over.attach(self.evaluator)
        self.evaluator.data_loader = [read.batch]
        self.evaluator.state.epoch_length = 1
        # A run that does nothing must not pass off the last case's result.
        self.evaluator.state.output = None
        # The outcome says it; ignite would print a traceback first.
        self.evaluator.logger.setLevel(logging.CRITICAL)
        # Else ignite resumes the failed run instead of starting the next one: it does nothing and
        # says so nowhere.
        self.evaluator.interrupt_resume_enabled = False
        try:
            self.evaluator.run()
            output: Any = self.evaluator.state.output
            facts = self.facts_of(output[0])
        finally:
            self._forget()
        return partial(_written, hand_over, facts)

    def facts_of(self, output: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is told of a case after post-processing."""
        result: dict[str, Any] = output["result"]
        return result

    def _forget(self) -> None:
        """Keep nothing of a case beside the next one, not even its images."""
        self.evaluator.data_loader = []
        self.evaluator.state.batch = self.evaluator.state.output = None
        self.evaluator.state.dataloader = None


def _written(hand_over: HandOver, result: dict[str, Any]) -> dict[str, Any]:
    for write in hand_over.writes:
        write()
    return result


@dataclass(frozen=True)
class ConfigRun:
    """Makes what runs a case from a config of the bundle, in whichever process calls it.

    Attributes:
        name: file in ``configs``, of which ``make_run`` is used.
        settings: settings to replace.
        overlays: configs that are merged over it.
        trained_with: they are those of a training, see ``load_config``.
    """

    name: str
    settings: Mapping[str, Any]
    overlays: tuple[Path, ...] = ()
    trained_with: bool = False

    def __call__(self) -> RunCase:
        """Load the network.

        Raises:
            SetupError: weights or settings are unusable.
        """
        values = {**self.settings, "cases": ()}
        config = load_config(self.name, values, self.overlays, trained_with=self.trained_with)
        run: RunCase = config.get_parsed_content("make_run")()
        return run


@dataclass(frozen=True)
class WorkerMaker:
    """Makes workers, which turn whatever a case raises into its outcome.

    Attributes:
        make_run: makes what runs a case.
        on_failure: called with a case that failed and its error.
        timeout_s: after so many seconds a case has failed; None for no limit.
        retries: how often a case is tried again that failed for a reason that may go away.
    """

    make_run: Callable[[], RunCase]
    on_failure: Callable[[Case, BaseException], None] | None = None
    timeout_s: float | None = None
    retries: int = 0

    def __call__(self) -> Worker:
        """Make a worker."""
        return partial(self.outcome, self.make_run())

    def outcome(self, run_case: RunCase, case: Case) -> CaseOutcome:
        """Run a case, again if that may help, and say what became of it."""
        case_id = str(case["case_id"])
        for left in range(self.retries, -1, -1):
            try:
                return CaseOutcome(case_id, OK, result=self._run(run_case, case))
            except Exception as error:
                failed, failure = failed_outcome(case_id, error), error
            if failed.ends_run or not may_go_away(failed) or left == 0:
                break
            LOGGER.warning(
                "%s: failed, is tried again: %s",
                printable(case_id),
                printable(failed.reason, keep_lines=True),
            )
        self.tell(case, failure)
        return failed

    def lost(self, case: Case, error: CaseError) -> CaseOutcome:
        """Do what a worker does with a case that failed, for one that did not live to do it."""
        self.tell(case, error)
        return failed_outcome(str(case["case_id"]), error)

    def tell(self, case: Case, error: BaseException) -> None:
        """Say that a case has failed for good."""
        if self.on_failure is not None:
            self.on_failure(case, error)

    def _run(self, run_case: RunCase, case: Case) -> dict[str, Any]:
        check_item(case)
        with within_limit(case, self.timeout_s):
            return run_case(case)


@contextmanager
def within_limit(case: Case, timeout_s: float | None) -> Iterator[None]:
    """Fail a case that takes longer; None for no limit.

    Raises:
        CaseError: E_TIMEOUT.
    """
    try:
        with time_limit(timeout_s):
            yield
    except TimeIsUpError:
        raise CaseError(
            "E_TIMEOUT",
            f"Case {case['case_id']}: it must be done within {timeout_s:g} s; it was not. Allow"
            " more time, or look at its images.",
        ) from None


def check_item(case: Mapping[str, Any]) -> None:
    """Refuse a case that its listing found unusable, or whose name cannot be that of a folder for
    its results.

    Raises:
        CaseError: the listing's problem, or E_CASE_ID.
    """
    if case.get("problem") is not None:
        raise case["problem"]
    case_id = str(case["case_id"])
    if not is_case_id(case_id):
        raise id_problem(case_id, "the list of cases")
    if case_id.casefold() in (TABLE, RECORD, INDEX):
        raise CaseError(
            "E_CASE_ID",
            f"Case {case_id}: a case name must not be that of a file of the whole run; it is."
            " Rename it.",
        )
