"""Files of weights: plain state dicts, read without running code from them."""

from pathlib import Path

from torch import Tensor

from bundle.errors import SetupError
from bundle.weights.state_file import read_tensors

State = dict[str, Tensor]


def read_weights(file: Path) -> State:
    """Read a state dict to the CPU.

    Raises:
        SetupError: the file is missing, incomplete, damaged, or holds anything else.
    """
    try:
        state: State = read_tensors(file)
    except Exception as error:  # torch raises many kinds for what is not a checkpoint
        raise SetupError(
            "E_WEIGHTS",
            f"The weights {file} must be a complete PyTorch state dict; got: {error} Copy or train"
            " them again.",
        ) from None
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise SetupError(
            "E_WEIGHTS",
            f"The weights {file} must be a PyTorch state dict; got {type(state).__name__}.",
        )
    return state


def on_cpu(state: State, *, half: bool = False) -> State:
    """Bring weights to the CPU, in half precision if asked; a tensor of two names (DynUNet's) is
    stored once.
    """
    converted: State = {}
    places = {name: (value.data_ptr(), value.shape) for name, value in state.items()}
    first = {place: name for name, place in reversed(places.items())}
    for name in first.values():
        value = state[name]
        converted[name] = (value.half() if half and value.is_floating_point() else value).cpu()
    return {name: converted[first[place]] for name, place in places.items()}
