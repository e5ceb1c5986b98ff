"""Reads the bundle's configs and sets values in them without ever letting the parser evaluate a user's text."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from monai.bundle import ConfigParser, ReferenceResolver
from monai.bundle.utils import ID_SEP_KEY, merge_kv

from bundle.errors import SetupError, UsageError, find_user_error

TRAINING_STAGES = ("experts", "mixture")
OVERLAY_FOLDERS = ("ablations", "peers")

_EVALUATED = ("$", "@", "%")
_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")  # YAML takes 1e-3 for text


def bundle_root() -> Path:
    """Give the folder that holds ``configs`` and ``models``.

    Raises:
        SetupError: the package was installed without them.
    """
    root = Path(__file__).resolve().parents[1]
    if not (root / "configs" / "inference.yaml").is_file():
        raise SetupError(
            "E_INSTALLATION",
            f"configs/ and models/ must lie beside the package; got none in {root}. "
            "Install from a clone with `pip install -e .`.",
        )
    return root


def find_overlay(name: str) -> Path:
    """Find a config to merge over another: a file, or the name of one in ``configs`` or its folders for overlays.

    Raises:
        UsageError: there is none.
    """
    configs = bundle_root() / "configs"
    special = [configs / folder for folder in OVERLAY_FOLDERS]
    candidates = [Path(name), *(folder / f"{name}.yaml" for folder in (*special, configs))]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        known = ", ".join(sorted(path.stem for folder in special for path in folder.glob("*.yaml")))
        raise UsageError("E_OVERLAY", f"An overlay must be a YAML file or one of {known}; got {name}.")
    return found


def stages_of(overlay: Path) -> tuple[str, ...]:
    """Tell over which training stages a config is merged: its key ``stages``, or both.

    Raises:
        UsageError: the file is not a YAML mapping, or names other stages.
    """
    try:
        content = yaml.safe_load(overlay.read_text(encoding="utf-8"))
        stages = tuple(content.get("stages", TRAINING_STAGES))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, TypeError) as error:
        raise UsageError("E_OVERLAY", f"The overlay {overlay} must be a YAML mapping; {error}") from None
    if not stages or set(stages) - set(TRAINING_STAGES):
        raise UsageError("E_OVERLAY", f"stages in {overlay} must be among {TRAINING_STAGES}; got {list(stages)}.")
    return stages


class BundleConfig(ConfigParser):
    """A parsed config whose components can say what a user can mend: MONAI wraps their errors in its own."""

    def get_parsed_content(self, id: str = "", **options: Any) -> Any:  # noqa: A002 the name is MONAI's
        """Build a component as MONAI does.

        Raises:
            UserError: raised by a component, as it raised it.
        """
        try:
            return super().get_parsed_content(id, **options)
        except Exception as error:
            known = find_user_error(error)
            if known is None:
                raise
            raise known from None


def load_config(
    name: str, values: Mapping[str, Any], overlays: Iterable[Path] = (), *, trained_with: bool = False
) -> BundleConfig:
    """Open a config of the bundle with some settings replaced.

    Args:
        name: file in ``configs``, for example ``inference.yaml``.
        values: setting to value. Folders go in as ``Path`` and lists of cases as tuples, which MONAI's
            parser passes on untouched; text that it would evaluate is refused.
        overlays: configs that are merged over it, one after the other, as MONAI merges several config files.
        trained_with: the overlays are those of a training; what they change within parts that this config does not
            have, such as the loss, is left out.

    Raises:
        SetupError: the config is missing or has no such setting.
        UsageError: a value is text that the parser would evaluate.
    """
    root = bundle_root()
    parser = BundleConfig()
    parser.read_config(root / "configs" / name)
    for overlay in overlays:
        _merge(parser, ConfigParser.load_config_file(overlay), only_known=trained_with)
    for key, value in {"bundle_root": root, **values}.items():
        if key not in parser.get():
            raise SetupError(
                "E_SETTING", f"configs/{name} must have the setting {key}; it has not. See its first lines."
            )
        _refuse_code(key, value)
        parser[key] = value
    return parser


def parse_settings(options: Iterable[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` options, values as YAML: ``roi_size=[96,96,96]``, ``learning_rate=3.0e-3``.

    Raises:
        UsageError: an option has another form.
    """
    settings: dict[str, Any] = {}
    for option in options:
        key, separator, text = option.partition("=")
        try:
            settings[key] = float(text) if _EXPONENT.fullmatch(text) else yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UsageError(
                "E_SETTING", f"--set must be KEY=VALUE with a YAML value; got {option!r}. {error}"
            ) from None
        if not (separator and all(part.isidentifier() for part in key.split("."))):
            raise UsageError("E_SETTING", f"--set must be KEY=VALUE; got {option!r}. See the settings in configs/.")
        _refuse_code(key, settings[key])
    return settings


def _merge(parser: BundleConfig, overlay: Mapping[str, Any], *, only_known: bool) -> None:
    """Merge a config over another as MONAI does; ``only_known`` leaves out changes within parts that are not there."""
    for key, value in overlay.items():
        part, nested, _ = ReferenceResolver.normalize_id(key.lstrip("+")).partition(ID_SEP_KEY)
        if part in parser.get() or not (nested and only_known):
            merge_kv(parser, key, value)


def _refuse_code(key: str, value: Any) -> None:
    texts = [value] if isinstance(value, str) else [text for text in _nested(value) if isinstance(text, str)]
    for text in texts:
        if text.startswith(_EVALUATED):
            raise UsageError(
                "E_SETTING", f"{key} must be plain data; got {text!r}, which MONAI would evaluate as code."
            )


def _nested(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [item for pair in value.items() for part in pair for item in _nested(part)]
    if isinstance(value, list):
        return [item for part in value for item in _nested(part)]
    return [value]
