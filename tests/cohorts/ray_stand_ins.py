"""Work that workers of a Ray cluster do in tests, in a module that they can import."""

import logging
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bundle.cohorts.workers import ConfigRun
from bundle.errors import CaseError

NODE = "SIMMLM_TEST_NODE"
"""Environment variable in which a node of the test has its name."""
RESULT = {"modalities": ["t1c"], "volumes_ml": {}, "warnings": []}


@dataclass(frozen=True)
class StandIn:
    """Makes what notes each case in a folder, sleeps, and dies of certain cases."""

    notes: Path
    sleep_s: float = 0.0
    deadly: str = ""

    def __call__(self):
        return self.run

    def run(self, case):
        case_id = case["case_id"]
        with (self.notes / case_id).open("a") as file:
            file.write(f"{os.getpid()}\n")
        if case_id in self.deadly.split():
            os._exit(1)
        if case_id == "refused":
            logging.getLogger("simmlm").warning("case %s is odd", case_id)
            raise CaseError("E_CRC", "refused must be whole.")
        time.sleep(self.sleep_s)
        return {**RESULT, "warnings": [str(os.getpid())]}


@dataclass(frozen=True)
class Noted:
    """Says of each case on which node it was run, after a while in which others can start."""

    make_run: ConfigRun
    sleep_s: float

    def __call__(self):
        return partial(self.run, self.make_run())

    def run(self, run_case, case):
        time.sleep(self.sleep_s)
        return run_case(case) | {"warnings": [os.environ.get(NODE, "none")]}


@dataclass(frozen=True)
class NoteFailure:
    """Stands for what sets the older result of a failed case aside."""

    notes: Path

    def __call__(self, case, error):
        (self.notes / f"failed-{case['case_id']}").write_text(str(error))
