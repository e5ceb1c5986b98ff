"""Makes pages of templates: text is escaped, and nothing runs or loads but what a page holds."""

import base64
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bundle.files.hashes import sha256_of

_FOLDER = Path(__file__).parent
_TEMPLATES = _FOLDER / "templates"
NIIVUE = _FOLDER / "niivue" / "niivue.umd.js"

MARK = "Research use only. Not for diagnosis."


def render(template: str, styles: Sequence[str], scripts: Sequence[str], **content: Any) -> str:
    """Fill a template.

    Its policy names each style and script by its hash, so that markup in a name or an image cannot
    run even if it were not escaped, and forbids all connections.

    Args:
        template: file in ``templates``.
        styles: texts of CSS.
        scripts: texts of JavaScript, in order.
        content: what the template names; a name that is missing is an error.
    """
    policy = {
        "default-src": "'none'",
        "script-src": " ".join(map(_hashed, scripts)),
        "style-src": " ".join(map(_hashed, styles)),
        # `file:` is where thumbnails lie beside a list that is opened from a disk.
        "img-src": "'self' file: data: blob:",
        "connect-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    text = "; ".join(f"{name} {value}" for name, value in policy.items())
    return (
        _environment()
        .get_template(template)
        .render(
            policy=text,
            styles=[_inline(style, "</style") for style in styles],
            scripts=[_inline(script, "</script") for script in scripts],
            mark=MARK,
            **content,
        )
    )


@cache
def asset(name: str) -> str:
    """Return the text of a file in ``templates``."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@cache
def viewer_script() -> str:
    """Return NiiVue's script."""
    return NIIVUE.read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _hashed(text: str) -> str:
    digest = bytes.fromhex(sha256_of(text.encode("utf-8")))
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _inline(text: str, end: str) -> Markup:
    """Take a text as it stands; it must not hold what ends it.

    Raises:
        ValueError: it does.
    """
    if end in text.lower() or "<!--" in text:
        raise ValueError(f"a script or style must not hold {end} or <!--")
    return Markup(text)  # of this package's own files
