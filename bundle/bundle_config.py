"""MONAI's parser of configs, with errors that a user can mend and configs that are merged over
others.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, ReferenceResolver
from monai.bundle.utils import ID_SEP_KEY, merge_kv

from bundle.component_settings import built_as
from bundle.errors import find_user_error
from bundle.files.yaml_file import read_yaml


class BundleConfig(ConfigParser):
    """A parsed config whose components can say what a user can mend: MONAI wraps their errors in
    its own. Its files of YAML are read by ``read_yaml``.
    """

    @classmethod
    def load_config_file(cls, filepath: Any, **options: Any) -> dict[str, Any]:
        """Read one file as MONAI does, YAML faster.

        Raises:
            yaml.YAMLError: it is no YAML, or holds a key twice.
        """
        if not str(filepath).lower().endswith(cls.suffixes[1:]):
            return super().load_config_file(filepath, **options)
        content: dict[str, Any] = read_yaml(Path(filepath))
        return content

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

    def merge(self, overlay: Mapping[str, Any], *, only_known: bool) -> None:
        """Merge a config over this one as MONAI does.

        Args:
            overlay: the other config.
            only_known: leave out changes within parts that are not there.
        """
        for key, value in overlay.items():
            part, nested, _ = ReferenceResolver.normalize_id(key.lstrip("+")).partition(ID_SEP_KEY)
            if part in self.get() or not (nested and only_known):
                merge_kv(self, key, value if nested else built_as(self.get().get(part), value))
