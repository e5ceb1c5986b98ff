"""Weights on disk: plain state dicts, checked before they are used."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TypeVar

from torch import nn

from bundle.errors import SetupError
from bundle.files.atomic_file import appearing_at_once
from bundle.files.hashes import sha256_of, sha256_of_file
from bundle.mixture.features import OUTPUT_BLOCK
from bundle.volume_networks.spacing import SPACING, spacing_in
from bundle.weights.state_file import State, read_weights, tensor_bytes

Network = TypeVar("Network", bound=nn.Module)


def load_verified(network: Network, path: Path | str) -> Network:
    """Load weights whose SHA-256 stands in a file beside them, and switch the network to
    evaluation.

    Args:
        network: receives the weights; every name and shape must match.
        path: a state dict; ``path`` + ``.sha256`` holds the checksum in the format of
            ``sha256sum``.

    Raises:
        SetupError: a file is missing, the checksum differs, or the weights are of another network
            or of voxels of another size.
    """
    file = Path(path)
    verified_sha256(file)
    state = read_weights(file)
    _check_spacing(network, state, file)
    return _load_into(network, state, file).eval()


def initial_weights(network: Network, source: Path | str | Sequence[Path | str] | None) -> Network:
    """Return a network what its training starts from.

    Args:
        network: receives the weights.
        source: files, in any precision. At most one holds a whole network; the others hold experts
            only. Beside a whole network they replace the experts of the same name; without one they
            hold each of the network's experts once, and all else stays as it is built. None leaves
            the network as it is built.

    Returns:
        The network. An output layer of experts that the network does without, because it mixes
        feature maps, is left out; everything else must fit.

    Raises:
        SetupError: a file is missing, damaged or of another network; an expert is missing or comes
            twice; several files hold whole networks.
    """
    if source is None:
        return network
    files = [Path(path) for path in ([source] if isinstance(source, str | Path) else source)]
    states = {file: read_start(file) for file in files}
    whole = [file for file, state in states.items() if not all(map(_is_of_expert, state))]
    if len(whole) > 1:
        raise SetupError(
            "E_EXPERTS",
            f"Of several files to start from, one may hold a whole mixture; got {_listed(whole)}."
            " Leave out all but one of them.",
        )
    parts = {file: state for file, state in states.items() if file not in whole}
    chosen = [(file, _whole(network, states[file], file)) for file in whole]
    if parts:
        chosen += _parts(network, parts, complete=not whole)
    for file, state in chosen:
        _copy(network, state, file)
    return network


def export_weights(network: nn.Module, checkpoint: Path | str, path: Path | str) -> None:
    """Store a checkpoint in half precision with its checksum, ready for ``load_verified``.

    Args:
        network: the architecture that the checkpoint must fit.
        checkpoint: a state dict.
        path: where the weights go; ``path`` + ``.sha256`` is written too.

    Raises:
        SetupError: the checkpoint is missing or of another network.
        OutputError: the weights cannot be written.
    """
    file = Path(checkpoint)
    export_state(_load_into(network, read_weights(file), file).state_dict(), path)


def export_state(state: State, path: Path | str) -> None:
    """Store a state dict in half precision with its checksum.

    Raises:
        OutputError: the weights cannot be written.
    """
    write_with_checksum(tensor_bytes(_half(state)), Path(path))


def _half(state: State) -> State:
    """Bring weights to the CPU in half precision.

    A tensor of two names (DynUNet's) is stored once.
    """
    converted: State = {}
    places = {name: (value.data_ptr(), value.shape) for name, value in state.items()}
    first = {place: name for name, place in reversed(places.items())}
    for name in first.values():
        value = state[name]
        converted[name] = (value.half() if value.is_floating_point() else value).cpu()
    return {name: converted[first[place]] for name, place in places.items()}


def write_with_checksum(content: bytes | memoryview, target: Path) -> None:
    """Write weights and the file with their SHA-256 beside them.

    The old ones stay until both are complete.

    Raises:
        OutputError: E_WRITE, nothing is left behind.
    """
    with appearing_at_once(target) as file:
        file.write(content)
        file.flush()
        with appearing_at_once(sidecar(target)) as checksum:
            checksum.write(f"{sha256_of(content)}  {target.name}\n".encode("ascii"))


def verified_sha256(file: Path) -> str:
    """Return the SHA-256 of weights, which also stands in the file beside them.

    Raises:
        SetupError: a file is missing, or the checksum differs.
    """
    actual, expected = file_sha256(file), _expected_sha256(file)
    if actual != expected:
        raise SetupError(
            "E_WEIGHTS_CHECKSUM",
            f"The weights {file} must have the SHA-256 {expected}; got {actual}. Fetch the file"
            " again; do not use it.",
        )
    return actual


def file_sha256(path: Path | str) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    Raises:
        SetupError: the file cannot be read.
    """
    try:
        return sha256_of_file(Path(path))
    except OSError as error:
        raise SetupError(
            "E_WEIGHTS", f"The weights {path} must be readable; got: {error.strerror}."
        ) from None


def sidecar(file: Path) -> Path:
    """Return the file that holds the SHA-256 of another, in the format of ``sha256sum``."""
    return file.with_name(file.name + ".sha256")


def _expected_sha256(file: Path) -> str:
    checksum = sidecar(file)
    try:
        return checksum.read_text(encoding="ascii").split()[0]
    except (OSError, IndexError, UnicodeDecodeError):
        raise SetupError(
            "E_WEIGHTS_CHECKSUM",
            f"The checksum {checksum} must stand beside the weights; it is missing or empty.",
        ) from None


def _parts(
    network: nn.Module, states: Mapping[Path, State], *, complete: bool
) -> list[tuple[Path, State]]:
    """Choose the experts of several files; ``complete``: each of the network's must be there."""
    wanted = [name for name in network.state_dict() if _is_of_expert(name)]
    held = {file: _experts_in(state) for file, state in states.items()}
    _check_experts(_experts_in(wanted), held, complete=complete)
    chosen = []
    for file, state in states.items():
        mine = {name for name in wanted if _expert_of(name) in held[file]}
        _check_names({name for name in state if not _is_spare_output(name, mine)}, mine, file)
        chosen.append((file, {name: state[name] for name in mine}))
    return chosen


def _check_experts(
    needed: Collection[str], held: Mapping[Path, Collection[str]], *, complete: bool
) -> None:
    """Refuse files that together hold an expert twice or one that is not needed.

    ``complete``: and those that lack one.
    """
    for expert in dict.fromkeys([*(needed if complete else ()), *chain(*held.values())]):
        found = [file for file, experts in held.items() if expert in experts]
        if expert in needed and len(found) == 1:
            continue
        place = f"{expert} in {_listed(found)}" if found else f"no {expert} in {_listed(held)}"
        way_out = (
            "Leave out the files that hold others or the same again."
            if found
            else "Name the files of all experts, or a whole mixture too, which has the others."
        )
        raise SetupError(
            "E_EXPERTS",
            f"The experts to start from must be {_listed(needed)}, each once; got {place}."
            f" {way_out}",
        )


def _load_into(network: Network, state: State, file: Path) -> Network:
    """Load a whole network; all of its names must be in the file, and no others."""
    return _copy(network, _whole(network, state, file), file)


def _whole(network: nn.Module, state: State, file: Path) -> State:
    """Check the names of a whole network.

    The voxels are those that the network knows of: a training may start from weights of others.
    """
    learnt = {name: value for name, value in state.items() if name != SPACING}
    _check_names(set(learnt), set(network.state_dict()) - {SPACING}, file)
    return learnt


def _check_spacing(network: nn.Module, state: State, file: Path) -> None:
    given, trained = spacing_in(network.state_dict()), spacing_in(state)
    if given != trained:
        raise SetupError(
            "E_WEIGHTS",
            f"The weights {file} must be used with voxels of {trained} mm, on which they were"
            f" trained; got {given} mm. Leave the setting spacing out, or set it to {trained}.",
        )


def _copy(network: Network, state: State, file: Path) -> Network:
    try:
        network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise SetupError(
            "E_WEIGHTS", f"The weights {file} must fit the configured network; {error}"
        ) from None
    return network


def read_start(file: Path) -> State:
    """Read what a stage begins with.

    Raises:
        SetupError: E_EXPERTS, there is no such file; E_WEIGHTS, it is damaged.
    """
    if not file.is_file():
        raise SetupError(
            "E_EXPERTS",
            f"The weights to start from must be a file; got no file {file}. Run stage 1 with this"
            " output first, or correct the name.",
        )
    return read_weights(file)


def _check_names(found: set[str], wanted: set[str], file: Path) -> None:
    if found != wanted:
        example = sorted(found ^ wanted)[0]
        raise SetupError(
            "E_WEIGHTS",
            f"The weights {file} must fit the configured network; got {len(found ^ wanted)}"
            f" differing names, for example {example}. Use the configuration that they were trained"
            " with.",
        )


def _is_of_expert(name: str) -> bool:
    return name.startswith("experts.")


def _expert_of(name: str) -> str:
    return name.split(".")[1]


def _experts_in(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(_expert_of(name) for name in names if _is_of_expert(name)))


def _is_spare_output(name: str, wanted: set[str]) -> bool:
    """Whether a tensor belongs to the output layer of an expert that has none in the network."""
    layer = f"experts.{_expert_of(name)}.{OUTPUT_BLOCK}."
    return name.startswith(layer) and not any(other.startswith(layer) for other in wanted)


def _listed(items: Iterable[object]) -> str:
    return ", ".join(str(item) for item in items) or "none"
