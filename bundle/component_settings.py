"""Parts of the network that a user may name in a setting, and nothing else that the parser would
call.
"""

import inspect
from collections.abc import Mapping
from pydoc import locate
from typing import TYPE_CHECKING, Any

from bundle.errors import SetupError, UsageError

if TYPE_CHECKING:
    from torch import nn

TARGET = "_target_"
MODE = "_mode_"
HOMES = (
    "torch.nn.",
    "monai.networks.",
    "monai.losses.",
    "bundle.mixture.",
    "bundle.volume_networks.",
    "bundle.peers.",
    "bundle.classification.",
)
"""Packages of which the layers, networks and losses can be named.

Building one of them runs nothing else.
"""


def is_component(value: Any) -> bool:
    """Whether MONAI's parser would call something for a value."""
    return isinstance(value, Mapping) and TARGET in value


def is_network_part(value: Any) -> bool:
    """Whether a component is a layer, a network or a loss of the packages where these can be
    named.
    """
    return is_component(value) and _part(value[TARGET]) is not None


def built_as(present: Any, value: Any) -> Any:
    """Return a component that is built as often as the one in whose place it comes."""
    is_recipe = is_component(value) and is_component(present) and MODE in present
    return {MODE: present[MODE], **value} if is_recipe else value


def refuse_programs(key: str, value: Any) -> None:
    """Refuse what the parser would run: any of its own words but a network part's ``_target_``, at
    any depth.

    Raises:
        UsageError: E_SETTING.
    """
    if isinstance(value, Mapping):
        _check_words(key, value)
        for inner in value.values():
            refuse_programs(key, inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            refuse_programs(key, inner)


def check_builds(key: str, component: Mapping[str, Any]) -> None:
    """Build a part once, so that what does not fit is said before anything starts.

    Raises:
        SetupError: E_SETTING.
    """
    # torch and MONAI take seconds to load: only where a setting names a part, which few do.
    import torch
    from monai.bundle import ConfigParser

    try:
        with torch.random.fork_rng(
            devices=[]
        ):  # the weights that come later must not depend on this
            ConfigParser({key: dict(component)}).get_parsed_content(key)
    except Exception as error:  # whatever a constructor says to wrong arguments
        cause = error.__cause__ or error
        raise SetupError(
            "E_SETTING",
            f"{key} must be a part that can be built; got {type(cause).__name__}: {cause}."
            " Change it.",
        ) from None


def _check_words(key: str, mapping: Mapping[Any, Any]) -> None:
    for word, value in mapping.items():
        if not isinstance(word, str):
            raise UsageError(
                "E_SETTING", f"{key} must have text for keys; got {word!r}. Put it in quotes."
            )
        if word == TARGET and _part(value) is not None:
            continue
        if word.startswith("_") and word.endswith("_"):
            raise UsageError(
                "E_SETTING",
                f"{key} must be plain data, or a layer, network or loss of {', '.join(HOMES)} by"
                f" its full name; got {word}: {value!r}, which MONAI would run. A config of your"
                " own may hold it; a setting may not.",
            )


def _part(target: Any) -> "type[nn.Module] | None":
    """Find the class of a full name.

    What one of these packages only imports, such as ``os``, is none of them.
    """
    if not isinstance(target, str) or not target.startswith(HOMES):
        return None
    from torch import nn

    found = locate(target)
    is_part = (
        inspect.isclass(found)
        and issubclass(found, nn.Module)
        and f"{found.__module__}.".startswith(HOMES)
    )
    return found if is_part else None  # type: ignore[return-value]
