"""Gives an inferer a network whose experts a runtime runs, and results a word on it."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from monai.inferers import Inferer
from monai.transforms import Transform
from torch import Tensor, nn

from bundle.inference.runtimes.runtime import Runtime


class RuntimeInferer(Inferer):
    """Another inferer, whose network's experts are run by a runtime.

    Whoever calls it passes the network as it is, also MONAI Label, which loads it by itself.

    Args:
        inferer: predicts.
        runtime: runs the experts.
    """

    def __init__(self, inferer: Callable[..., Any], runtime: Runtime) -> None:
        super().__init__()
        self.inferer = inferer
        self.runtime = runtime

    def __call__(  # type: ignore[override]
        self, inputs: Tensor, network: nn.Module, *args: Any, **kwargs: Any
    ) -> Any:
        """Predict; arguments and result are those of the inner inferer."""
        self.runtime.begin_case()
        return self.inferer(inputs, self.runtime.prepare(network), *args, **kwargs)


class TellRuntimed(Transform):
    """Adds to a case's ``result`` what ran its experts, and what the runtime warned of.

    Args:
        runtime: that of the inferer.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case with the facts added."""
        case = dict(data)
        warnings = [*case["result"]["warnings"], *self.runtime.warnings]
        case["result"] = {
            **case["result"],
            "runtime": self.runtime.used,
            "warnings": warnings,
        }
        return case
