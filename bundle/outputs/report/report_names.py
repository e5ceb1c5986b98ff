"""What the files of reports are called."""

INDEX = "index.html"
"""Lists the cases of an output folder."""


def report_names(case_id: str) -> tuple[str, str]:
    """Name the page of a case, and its small picture for the list of cases."""
    return f"{case_id}_report.html", f"{case_id}_thumbnail.jpg"


TABLE = "cases.csv"
"""Table of outcomes that a run keeps in its output folder."""

RUN = "run.json"
"""What a run says of itself, where it does."""
