"""What the files of reports are called."""


def report_names(case_id: str) -> tuple[str, str]:
    """Name the page of a case, and its small picture for the list of cases."""
    return f"{case_id}_report.html", f"{case_id}_thumbnail.jpg"
