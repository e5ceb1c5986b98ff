"""Finds the bundle's configs and overlays, and tells what they are merged over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bundle.errors import SetupError, UsageError
from bundle.files.yaml_file import read_yaml
from bundle.plain_text import printable
from bundle.tasks.class_task import ClassTask
from bundle.uncaught import end_with_a_sentence

TRAINING_STAGES = ("experts", "mixture")
OVERLAY_FOLDERS = ("ablations", "peers", "variants")


@dataclass(frozen=True)
class ConfigSet:
    """The configs of one kind of task.

    Attributes:
        folder: in ``configs``; empty for that folder itself.
        own: folder of a task whose ``task.yaml`` is merged over each of them; None for none.
    """

    folder: str = ""
    own: str | None = None

    def file(self, name: str) -> str:
        """Return the name of a config of the set, as ``load_config`` takes it."""
        return f"{self.folder}/{name}" if self.folder else name

    def overlays(self, names: Sequence[str]) -> list[Path]:
        """Find configs to merge over those of the set, after the task's own.

        Raises:
            UsageError: E_OVERLAY, there is none of a name.
        """
        own = [] if self.own is None else [bundle_root() / "configs" / self.own / "task.yaml"]
        return [*own, *(find_overlay(name, self._folders) for name in names)]

    def shared(self, name: str) -> Path:
        """Find a config that serves all kinds of tasks, unless this one has its own."""
        return find_overlay(name, (*self._folders, ""))

    @property
    def _folders(self) -> tuple[str, ...]:
        return (self.folder,) if self.own is None else (self.own, self.folder)


OWN_CONFIGS = ConfigSet()
"""Those of the bundle's own kind: regions of volumes."""


def config_set(task: ClassTask) -> ConfigSet:
    """Return the configs of a task of classes."""
    return ConfigSet(task.name) if task.over is None else ConfigSet(task.over, task.name)


def bundle_root() -> Path:
    """Return the folder that holds ``configs`` and ``models``.

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


def own_task() -> str:
    """Return the name of the task that the bundle is for: that of its configs."""
    path = bundle_root() / "configs" / "inference.yaml"
    return str(read_yaml(path)["task_name"])


def find_overlay(name: str, folders: Sequence[str] = ("",)) -> Path:
    """Find a config to merge over another: a file, or the name of one in ``configs`` or its folders
    for overlays.

    Args:
        name: of either kind.
        folders: in ``configs``, which take its place, the first one that has it.

    Raises:
        UsageError: E_OVERLAY, there is none.
    """
    configs = [bundle_root() / "configs" / folder for folder in folders]
    special = [each / folder for each in configs for folder in OVERLAY_FOLDERS]
    candidates = [Path(name), *(folder / f"{name}.yaml" for folder in (*special, *configs))]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        known = sorted({path.stem for folder in special for path in folder.glob("*.yaml")})
        raise UsageError(
            "E_OVERLAY",
            f"An overlay must be a YAML file or one of {', '.join(known)}; got {name}.",
        )
    return found


def read_overlay(overlay: Path) -> Mapping[str, Any]:
    """Read a config that is to be merged over another.

    Raises:
        UsageError: E_OVERLAY, it is no YAML mapping, or holds a key twice.
    """
    try:
        content = read_yaml(overlay)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _no_overlay(overlay, error) from None
    except RecursionError:
        raise _no_overlay(overlay, "it is nested too deeply") from None
    if not (isinstance(content, Mapping) and all(isinstance(key, str) for key in content)):
        raise _no_overlay(overlay, f"got {type(content).__name__}")
    return content


def _no_overlay(overlay: Path, cause: object) -> UsageError:
    return UsageError(
        "E_OVERLAY",
        f"The overlay {overlay} must be a YAML mapping of settings; {printable(str(cause))}."
        " Correct the file.",
    )


def stages_of(overlay: Path) -> tuple[str, ...]:
    """Tell over which training stages a config is merged: its key ``stages``, or both.

    Raises:
        UsageError: E_OVERLAY, it cannot be read, or names other stages.
    """
    stages = read_overlay(overlay).get("stages", TRAINING_STAGES)
    if not isinstance(stages, list | tuple) or not stages or set(stages) - set(TRAINING_STAGES):
        raise UsageError(
            "E_OVERLAY", f"stages in {overlay} must be among {TRAINING_STAGES}; got {stages!r}."
        )
    return tuple(stages)


def config_files(name: str) -> list[Path]:
    """List a config of the bundle after those that it is merged over."""
    path = bundle_root() / "configs" / name
    over = read_yaml(path).get("complete", {}).get("over")
    return [path] if over is None else [*config_files(over), path]


def check_merged(files: Sequence[str], over: str) -> None:
    """Refuse to run a config without the one that it is merged over; for ``run`` in the configs.

    Args:
        files: the configs that were merged, in order.
        over: what the last one needs.

    Raises:
        UsageError: E_OVERLAY, that is not among them.
    """
    end_with_a_sentence()
    if over not in files:
        raise UsageError(
            "E_OVERLAY",
            f"configs/{files[-1]} must be merged over configs/{over}; got it without. Run"
            f" --config_file \"['configs/{over}','configs/{files[-1]}']\".",
        )
