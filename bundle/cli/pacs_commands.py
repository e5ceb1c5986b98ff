"""Fetches studies from an archive (PACS), and sends results to one."""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from bundle.cli.options import exit_codes, expanded
from bundle.pacs.archive import OWN_TITLE, Archive, check_uid, parse_address
from bundle.pacs.dimse import DimseArchive
from bundle.pacs.transfer import dicom_files, fetch_study

PASSWORD, TOKEN = "SIMMLM_PACS_PASSWORD", "SIMMLM_PACS_TOKEN"

_WHERE = "https://HOST/dicom-web, or TITLE@HOST:PORT for DIMSE."
UserOption = Annotated[
    str | None,
    typer.Option(
        help=f"User of a DICOMweb service; the password is read from {PASSWORD}, a bearer token"
        f" from {TOKEN}."
    ),
]
OwnTitleOption = Annotated[
    str, typer.Option(help="Application entity title of this program, for DIMSE.")
]


def fetch(
    study_uid: Annotated[str, typer.Argument(help="StudyInstanceUID.")],
    source: Annotated[str, typer.Option("--from", metavar="ADDRESS", help=_WHERE)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="New folder for the study.", callback=expanded)
    ],
    user: UserOption = None,
    own_title: OwnTitleOption = OWN_TITLE,
) -> None:
    """Fetch a study from an archive into a folder, one subfolder per series."""
    with exit_codes():
        check_uid(study_uid, "A study's UID")
        archive = _archive(source, user, own_title)
        n_instances = fetch_study(archive, study_uid, out)
        typer.echo(f"{n_instances} instances: {out}")


def send(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="DICOM files, or folders that hold some, such as results of"
            " `simmlm segment --dicom`.",
            callback=expanded,
        ),
    ],
    target: Annotated[str, typer.Option("--to", metavar="ADDRESS", help=_WHERE)],
    user: UserOption = None,
    own_title: OwnTitleOption = OWN_TITLE,
) -> None:
    """Store DICOM files in an archive."""
    with exit_codes():
        files = dicom_files(sources)
        _archive(target, user, own_title).store(files)
        typer.echo(f"{len(files)} files sent to {target}")


def _archive(text: str, user: str | None, own_title: str) -> Archive:
    for name in ("pynetdicom", "dicomweb_client"):  # the error says it
        logging.getLogger(name).setLevel(logging.CRITICAL)
    address = parse_address(text)
    if not address.url:
        return DimseArchive(address, own_title=own_title)
    from bundle.pacs.dicomweb import DicomWebArchive  # loads requests

    password, token = os.environ.get(PASSWORD), os.environ.get(TOKEN)
    return DicomWebArchive(address.url, user=user, password=password, token=token)
