"""Turns a preprocessed case into bytes and back, bit by bit, without the zeros that most of it
consists of.
"""

import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from torch import Tensor

from bundle.files.hashes import sha256_of
from bundle.tensors import plain_tensor

_DIGEST_BYTES = 32
_WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def keep_affine_only(value: Any) -> Any:
    """Reduce the metadata of every image in a case to its affine.

    Cases from memory and from disk are then alike, down to what the collation of a batch compares.
    What was done to the image is forgotten: the transforms so far cannot be inverted any more.
    """
    if isinstance(value, MetaTensor):
        return MetaTensor(value.as_tensor().contiguous(), affine=value.affine)
    if isinstance(value, Mapping):
        return {name: keep_affine_only(part) for name, part in value.items()}
    return type(value)(map(keep_affine_only, value)) if type(value) in (list, tuple) else value


def to_bytes(case: Any) -> bytes:
    """Write a case as bytes that carry their own SHA-256; ``from_bytes`` gives it back bit by bit.

    Args:
        case: nested mappings and sequences of tensors, arrays, text and numbers; images as
            ``keep_affine_only`` leaves them.

    Raises:
        TypeError: it holds something else.
    """
    stream = io.BytesIO()
    torch.save(_pack(case), stream)
    content = stream.getvalue()
    return _digest(content) + content


def from_bytes(stored: bytes) -> Any:
    """Read a case that ``to_bytes`` wrote; no code in it is run.

    Raises:
        ValueError: the bytes are not those that were written.
    """
    digest, content = stored[:_DIGEST_BYTES], memoryview(stored)[_DIGEST_BYTES:]
    if _digest(content) != digest:  # torch.load overlooks damaged voxels
        raise ValueError(
            f"A stored case must match its SHA-256; got {len(stored)} other bytes. Make it again."
        )
    return _unpack(torch.load(io.BytesIO(content), weights_only=True))


def _digest(content: bytes | memoryview) -> bytes:
    return bytes.fromhex(sha256_of(content))


def _pack(value: Any) -> list[Any]:
    if isinstance(value, Tensor):
        affine = value.affine if isinstance(value, MetaTensor) else None
        return ["tensor", _pack_voxels(plain_tensor(value)), str(value.device), affine]
    if isinstance(value, np.ndarray):
        return ["array", _pack_voxels(torch.from_numpy(value))]
    if isinstance(value, Mapping):
        return ["mapping", [[name, _pack(part)] for name, part in value.items()]]
    if isinstance(value, list | tuple):
        return [type(value).__name__, [_pack(part) for part in value]]
    if value is not None and type(value) not in (str, bool, int, float):
        raise TypeError(
            "A cached case must hold tensors, arrays, text and numbers; got"
            f" {type(value).__name__}. Drop it with SelectItemsd before the first random transform,"
            " or do without cache_dir."
        )
    return ["plain", value]


def _unpack(packed: list[Any]) -> Any:
    kind, content, *more = packed
    if kind == "tensor":
        device, affine = more
        voxels = _unpack_voxels(content).to(device)
        return voxels if affine is None else MetaTensor(voxels, affine=affine)
    if kind == "array":
        return _unpack_voxels(content).numpy()
    if kind == "mapping":
        return {name: _unpack(part) for name, part in content}
    if kind == "plain":
        return content
    parts = [_unpack(part) for part in content]
    return tuple(parts) if kind == "tuple" else parts


def _pack_voxels(voxels: Tensor) -> dict[str, Any]:
    """Keep the voxels that are not zero and a bit per voxel that says which.

    All of them where that is shorter.
    """
    flat = voxels.detach().cpu().contiguous().reshape(-1)
    packed = {
        "shape": list(voxels.shape),
        "dtype": voxels.dtype,
        "filled": None,
        "values": flat.clone(),
    }
    size = flat.element_size()
    if size not in _WORDS:
        return packed
    words = flat.view(_WORDS[size])  # as bits: -0.0 is not the zero that is put back
    filled = words != 0
    if int(filled.sum()) * size + len(flat) / 8 < len(flat) * size:
        packed |= {"filled": torch.from_numpy(np.packbits(filled.numpy())), "values": words[filled]}
    return packed


def _unpack_voxels(packed: Mapping[str, Any]) -> Tensor:
    shape, values = packed["shape"], packed["values"]
    if packed["filled"] is None:
        return values.reshape(shape)
    filled = np.unpackbits(packed["filled"].numpy(), count=math.prod(shape)).astype(bool)
    words = torch.zeros(len(filled), dtype=values.dtype).masked_scatter_(
        torch.from_numpy(filled), values
    )
    return words.view(packed["dtype"]).reshape(shape)
