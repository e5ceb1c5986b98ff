"""What is left of a training step when it is over."""

from typing import Any

from ignite.engine import Engine
from monai.engines import IterationEvents


class KeepLoss:
    """Keep the loss of a step and let go of image, label and predictions, which fill the memory
    until the next step.

    The output becomes a list with one dictionary, as MONAI's handlers for TensorBoard and MLflow
    expect it.
    """

    def attach(self, engine: Engine) -> None:
        """Follow a trainer that does not decollate."""
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self._keep)

    def _keep(self, engine: Engine) -> None:
        state: Any = engine.state
        state.output = [{"loss": state.output["loss"].detach()}]
