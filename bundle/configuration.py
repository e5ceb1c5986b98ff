"""Reads the bundle's configs and sets values in them without ever letting the parser evaluate a
user's text.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from bundle.component_settings import (
    built_as,
    check_builds,
    is_component,
    is_network_part,
    refuse_programs,
)
from bundle.config_files import bundle_root, config_files, read_overlay
from bundle.errors import SetupError, UsageError
from bundle.plain_text import printable
from bundle.setting_kinds import Kind, check_kind, kind_of
from bundle.settings import SETTINGS, kinds_of

if TYPE_CHECKING:
    from bundle.bundle_config import BundleConfig

_EVALUATED = ("$", "@", "%")
_PROGRAM = (
    "bundle_root",
    "checked_settings",
    "code",
    "complete",
    "displayable_configs",
    "finalize",
    "imports",
    "initialize",
    "merged",
    "run",
    "stage",
    "unused",
    "_meta_",
)
"""Of a config, what is no setting but says how it works."""

_NULL = ("", "~", "null")
_YAML = ("'", '"', "[", "{")
"""How text begins that is meant as YAML where it would else be taken as it stands."""
_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")  # YAML takes 1e-3 for text


def load_config(
    name: str,
    values: Mapping[str, Any],
    overlays: Iterable[Path] = (),
    *,
    trained_with: bool = False,
) -> "BundleConfig":
    """Open a config of the bundle with some settings replaced.

    Args:
        name: file in ``configs``, for example ``inference.yaml``.
        values: setting to value. Folders go in as ``Path`` and lists of cases as tuples, which
            MONAI's parser passes on untouched; text that it would evaluate is refused.
        overlays: configs that are merged over it, one after the other, as MONAI merges several
            config files.
        trained_with: the overlays are those of a training; what they change within parts that this
            config does not have, such as the loss, is left out.

    Raises:
        SetupError: the config is missing or has no such setting, or a value is not what the setting
            may be.
        UsageError: a value is text that the parser would evaluate.
    """
    # Settings are read and refused without MONAI, which takes seconds to load.
    from bundle.bundle_config import BundleConfig

    parser = BundleConfig()
    parser.read_config(config_files(name))
    for overlay in overlays:
        parser.merge(read_overlay(overlay), only_known=trained_with)
    kinds = _kinds(parser.get(), values)
    for key, value in {"bundle_root": bundle_root(), **values}.items():
        if key not in known_keys(parser):
            raise SetupError(
                "E_SETTING",
                f"configs/{name} must have the setting {key}; it has not. See its first lines.",
            )
        _refuse_code(key, value)
        parser[key] = _checked(key, value, parser.get()[key], kinds)
    _check_own_values(parser.get(), kinds)
    return parser


def known_keys(config: "BundleConfig") -> set[str]:
    """Name what a config has, without what it only inherits and does not use."""
    return set(config.get()) - set(config.get().get("unused", ()))


def parse_settings(options: Iterable[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` options, values as YAML: ``roi_size=[96,96,96]``,
    ``learning_rate=3.0e-3``.

    Paths and words are read as they stand, unless they are in quotes. No option can run anything: a
    mapping that names something to call may name parts of a network only, see
    ``component_settings``.

    Raises:
        UsageError: an option has another form, or is no setting.
    """
    settings: dict[str, Any] = {}
    for option in options:
        key, separator, text = option.partition("=")
        parts = key.split(".")
        if not (separator and all(part.isidentifier() for part in parts)):
            raise UsageError(
                "E_SETTING",
                f"--set must be KEY=VALUE; got {option!r}. See the settings in configs/.",
            )
        if parts[-1] in _PROGRAM:
            raise UsageError(
                "E_SETTING",
                f"{key} must stay as the config has it: it is no setting. Use another config.",
            )
        settings[key] = _read_value(option, text, SETTINGS.get(parts[-1]))
        _refuse_code(key, settings[key])
        refuse_programs(key, settings[key])
    return settings


class _PlainLoader(yaml.SafeLoader):
    """YAML without anchors, with which a short text can stand for endless data."""

    def compose_node(self, parent: Any, index: int) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("* and & have no place in a setting")
        return super().compose_node(parent, index)


def _read_value(option: str, text: str, kind: Kind | None) -> Any:
    if kind is not None and kind.is_plain_text and not text.startswith(_YAML):
        return None if text.strip() in _NULL else text
    try:
        return float(text) if _EXPONENT.fullmatch(text) else yaml.load(text, _PlainLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that is none
        raise UsageError(
            "E_SETTING",
            f"--set must be KEY=VALUE with a YAML value; got {option!r}. {printable(str(error))}",
        ) from None


def _kinds(config: Mapping[str, Any], values: Mapping[str, Any]) -> Mapping[str, Kind]:
    """Return the kinds of a config's settings, of which some values are to be replaced."""
    named = {}
    for key in config.keys() & {"task_name", "class_task_name"}:
        name = values.get(key, config[key])
        _refuse_code(key, name)
        check_kind(key, name, SETTINGS[key])
        named[key] = _with_paths(name, SETTINGS[key]) if SETTINGS[key].is_path else name
    return kinds_of(named)


def _checked(key: str, value: Any, present: Any, kinds: Mapping[str, Kind]) -> Any:
    """Check a value against the setting's kind, and make paths of text.

    Args:
        key: of the setting.
        value: for it.
        present: what the config has there.
        kinds: of the settings.
    """
    if key in _PROGRAM or not isinstance(value, str | int | float | list | Mapping | None):
        known = kinds.get(key)
        return _with_paths(value, known) if known is not None and known.is_path else value
    if is_component(present):
        _check_component(key, value)
        return built_as(present, value)
    kind = kinds.get(key) or _kind_beside(key, present)
    if kind is None or (value is None and present is None):
        return value
    check_kind(key, value, kind)
    return _with_paths(value, kind) if kind.is_path else value


def _check_component(key: str, value: Any) -> None:
    if not is_component(value):
        raise SetupError(
            "E_SETTING",
            f"{key} must be a mapping with _target_, as the config has it; got {value!r}."
            " Change it.",
        )
    if is_network_part(value):
        check_builds(key, value)


def _kind_beside(key: str, present: Any) -> Kind | None:
    if isinstance(present, str) and present.startswith(_EVALUATED):
        raise SetupError(
            "E_SETTING",
            f"{key} must be computed as the config says; it is no setting. See those at its"
            " beginning.",
        )
    return kind_of(present)


def _check_own_values(config: Mapping[str, Any], kinds: Mapping[str, Kind]) -> None:
    """Check the settings that overlays changed; what is computed is only known later."""
    for key in kinds.keys() & config.keys():
        value = config[key]
        is_computed = any(
            isinstance(text, str) and text.startswith(_EVALUATED) for text in _nested(value)
        )
        if value is not None and not is_computed:
            check_kind(key, value, kinds[key])


def _with_paths(value: Any, kind: Kind) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_with_paths(item, kind) for item in value)
    if not isinstance(value, str):
        return value
    try:
        return Path(value).expanduser()
    except RuntimeError:  # the home of nobody
        return Path(value)


def _refuse_code(key: str, value: Any) -> None:
    texts = (
        [value]
        if isinstance(value, str)
        else [text for text in _nested(value) if isinstance(text, str)]
    )
    for text in texts:
        if text.startswith(_EVALUATED):
            raise UsageError(
                "E_SETTING",
                f"{key} must be plain data; got {text!r}, which MONAI would evaluate as code. Write"
                " a path as ./NAME.",
            )


def _nested(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [item for pair in value.items() for part in pair for item in _nested(part)]
    if isinstance(value, list):
        return [item for part in value for item in _nested(part)]
    return [value]
