"""What a run keeps in its output folder besides the cases, and in which words."""

TABLE = "cases.csv"
"""Lists what became of the cases."""

RECORD = "run.json"
"""Says which run it is, and counts its cases."""

INDEX = "index.html"
"""Lists the cases for people."""

OK, FAILED, SKIPPED, LEFT = "ok", "failed", "skipped", "left"
"""A case is skipped that an earlier run has done, and left if a run ended before its turn."""

FIRST_COLUMNS = ("case_id", "status", "reason")
"""By these a table of this program is known."""
