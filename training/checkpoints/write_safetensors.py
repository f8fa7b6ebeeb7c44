"""Write a safetensors file tensor by tensor: the library's own writer holds all of them, twice."""

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_NAMES = {"float16": "F16", "float32": "F32"}


def write_safetensors(
    path: Path,
    layout: "Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]",
    values: "Callable[[str], npt.NDArray[Any]]",
) -> None:
    """Write `path`; at most one tensor is in memory.

    Args:
        layout: Shape and type, float16 or float32, by name.
        values: A tensor by name, of that shape and type.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (shape, dtype) in layout.items():
        size = dtype.itemsize
        for length in shape:
            size *= length
        header[name] = {"dtype": _NAMES[dtype.name], "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, (shape, dtype) in layout.items():
            tensor = values(name)
            if (tensor.shape, tensor.dtype) != (shape, dtype):
                raise ValueError(f"tensor {name!r} is {tensor.shape} of {tensor.dtype}, not {shape} of {dtype}")
            file.write(tensor.astype(dtype.newbyteorder("<"), order="C").tobytes())
