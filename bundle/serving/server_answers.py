"""What a MONAI Label server answers, believed only as far as it was checked."""

import re
from collections.abc import Collection, Mapping
from email.message import Message
from typing import Any

from requests_toolbelt import MultipartDecoder
from requests_toolbelt.multipart.decoder import ImproperBodyPartContentException

from bundle.files.json_file import parse_json
from bundle.serving.exchange_watch import ServerError
from bundle.serving.server_connection import Answer, shown

MAX_JSON_BYTES = 2**24
MAX_DEPTH = 20
MAX_WARNINGS = 50
_MAX_PARTS = 10
_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{1,70}")
_NO_PARTS = (ImproperBodyPartContentException, LookupError, ValueError)


def model_names(answer: Answer) -> list[str]:
    """Name the models that a server's ``/info/`` lists.

    Raises:
        ServerError: it lists none as MONAI Label does.
    """
    content = read_json(answer.content)
    models = content.get("models") if isinstance(content, dict) else None
    if not isinstance(models, dict):
        raise ServerError(f"an /info/ without a list of models: {_kind(content)}")
    return sorted(models)


def session_id(answer: Answer) -> str:
    """Return the name of a new session, which is no path.

    Raises:
        ServerError: there is none.
    """
    content = read_json(answer.content)
    name = content.get("session_id") if isinstance(content, dict) else None
    if not isinstance(name, str) or not _SESSION_ID.fullmatch(name):
        raise ServerError(f"no usable name of a session: {shown(repr(name), 80)}")
    return name


def split_answer(answer: Answer) -> tuple[bytes, dict[str, Any]]:
    """Take the image and the facts out of an answer with both; the facts are still to be checked.

    Raises:
        ServerError: one of them is missing or there twice, or the facts are not JSON.
    """
    parts = _parts(answer)
    names = [name for name, _ in parts]
    if sorted(name for name in names if name in ("image", "params")) != ["image", "params"]:
        raise ServerError(f"parts {shown(str(names), 80)}, which must hold an image and params")
    content = dict(parts)
    facts = read_json(content["params"])
    if not isinstance(facts, dict):
        raise ServerError(f"facts that are no JSON object: {_kind(facts)}")
    return content["image"], facts


def check_facts(facts: Mapping[str, Any], sent: Collection[str], labels: Collection[str]) -> None:
    """Check what is used of the facts; everything else in them is kept as it came.

    Args:
        facts: ``modalities`` and ``volumes_ml``; ``warnings`` if there are any.
        sent: the modalities that the server got.
        labels: names that volumes may be of.

    Raises:
        ServerError: one of these is not what it must be.
    """
    modalities, warnings = facts.get("modalities"), facts.get("warnings")
    volumes = facts.get("volumes_ml")
    if not _are_texts(modalities) or not modalities or set(modalities) - set(sent):
        raise ServerError(
            f"modalities {shown(repr(modalities), 80)}, which must be among {', '.join(sent)}"
        )
    if not isinstance(volumes, dict) or not all(
        name in labels and _is_volume(value) for name, value in volumes.items()
    ):
        raise ServerError(
            f"volumes {shown(repr(volumes), 120)}, which must be ml of {', '.join(labels)}"
        )
    if warnings is not None and not _are_texts(warnings):
        raise ServerError(
            f"warnings {shown(repr(warnings), 80)}, which must be a list of sentences"
        )


def check_numbering(facts: Mapping[str, Any], asked: str) -> None:
    """Check that the label map has the numbering that was asked for, if the facts name one.

    Raises:
        ServerError: they name another one.
    """
    labels = facts.get("labels")
    named = labels.get("convention") if isinstance(labels, dict) else labels
    if labels is not None and named != asked:
        raise ServerError(
            f"a label map in the numbering {shown(repr(named), 40)}, where {asked} was asked for"
        )


def read_json(content: bytes) -> Any:
    """Read JSON of bounded size and depth, in which every number is finite.

    Raises:
        ServerError: it is not that.
    """
    if len(content) > MAX_JSON_BYTES:
        raise ServerError(f"JSON of {len(content)} bytes; the limit is {MAX_JSON_BYTES}")
    try:
        value = parse_json(content)
        _check_depth(value)
    except (ValueError, RecursionError) as error:
        raise ServerError(f"no JSON: {shown(str(error), 120)}") from None
    return value


def _parts(answer: Answer) -> list[tuple[str, bytes]]:
    """Name the parts of a multipart answer; none of any other kind."""
    header = Message()
    header["Content-Type"] = answer.content_type
    boundary = header.get_boundary("")
    if header.get_content_maintype() != "multipart" or not _BOUNDARY.fullmatch(boundary):
        return []
    # A short boundary could cut the answer into millions of parts.
    if answer.content.count(f"\r\n--{boundary}".encode()) > _MAX_PARTS:
        raise ServerError(f"more than {_MAX_PARTS} parts")
    try:
        decoded = MultipartDecoder(answer.content, f"multipart/form-data; boundary={boundary}")
        return [
            (_name(part.headers[b"Content-Disposition"]), part.content) for part in decoded.parts
        ]
    except _NO_PARTS as error:
        raise ServerError(f"a broken multipart answer: {shown(str(error), 80)}") from None


def _name(disposition: bytes) -> str:
    return disposition.decode().partition('name="')[2].partition('"')[0]


def _check_depth(value: Any, left: int = MAX_DEPTH) -> None:
    if left == 0:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            _check_depth(part, left - 1)


def _are_texts(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_WARNINGS
        and all(isinstance(text, str) for text in value)
    )


def _is_volume(value: Any) -> bool:
    """Whether this is a number of ml.

    JSON's numbers are finite here, but an integer may be of any length.
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


def _kind(value: Any) -> str:
    return shown(f"{type(value).__name__} {value!r:.60}", 80)
