"""MXNet's `.params` files: arrays by name, the parameters of a model as `arg:…` and `aux:…`.

Numbers are little-endian. A file is two words, 0x112 and 0; the number of its arrays, and those; the number of their
names, and those, each after its length. An array is a word that says of which version it is, its storage type, its
shape, where it lived, the number of its dtype, and its elements. Older versions lack some of that.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphc.errors import GraphcError
from graphc.io.weights import Arrays, PathLike, elements, replace_file
from graphc.sym.mx.flags import DTYPES, FLAGS

__all__ = ["load_params", "save_params"]

FILE = 0x112
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA  # what comes before V1 begins with its number of axes
CPU = (1, 0)
MOST_AXES = 32


def save_params(path: PathLike, params: Mapping[str, Any]) -> None:
    """Write arrays by name to a `.params` file, as `mxnet.nd.save` does.

    A file with an array that is 0-d or has no elements is one of MXNet's NumPy mode, which alone knows those:
    it is read there by `mxnet.npx.load`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_params(f'{folder}/net.params', {'arg:w': np.eye(2, dtype='float32')})
    ...     load_params(f'{folder}/net.params')
    {'arg:w': array([[1., 0.],
           [0., 1.]], dtype=float32)}
    """
    arrays = {name: _storable(name, value) for name, value in params.items()}
    magic = V2 if all(array.size and array.ndim for array in arrays.values()) else V3
    parts = [struct.pack("<3Q", FILE, 0, len(arrays))]
    for array in arrays.values():
        header = (magic, 0, array.ndim, *array.shape, *CPU, FLAGS[array.dtype])
        parts += [struct.pack(f"<I2i{array.ndim}q3i", *header), array.astype(array.dtype.newbyteorder("<")).tobytes()]
    parts.append(struct.pack("<Q", len(arrays)))
    for name in map(str.encode, arrays):
        parts += [struct.pack("<Q", len(name)), name]
    replace_file(path, b"".join(parts))


def _storable(name: str, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.newbyteorder("=") not in FLAGS:
        known = ", ".join(dtype.name for dtype in FLAGS)
        raise GraphcError(f"save_params: {name!r} is an array of {array.dtype}; cast it to one of {known}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def load_params(path: PathLike) -> Arrays:
    """The arrays of a `.params` file by the names that stand there, `arg:` and `aux:` included, as `mxnet.nd.load`.

    `load_checkpoint` tells the two apart. Files of every version of MXNet are read; sparse arrays are an error.
    """
    path = Path(path)
    data = path.read_bytes()
    try:
        return _read(_Bytes(data))
    except (GraphcError, ValueError) as error:  # NumPy knows no array of 2**62 × 0 elements
        raise GraphcError(f"{path.name} cannot be read: {error}") from error


class _Bytes:
    """The bytes of a file, taken from its beginning; an error if too few are left."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise GraphcError(f"it ends at byte {len(self.data)}, where {count} bytes from {self.at} on should be")
        self.at += count
        return self.data[self.at - count : self.at]

    def numbers(self, code: str) -> tuple[int, ...]:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))

    def number(self, code: str) -> int:
        return self.numbers(code)[0]


def _read(file: _Bytes) -> Arrays:
    if file.numbers("2Q") != (FILE, 0):
        raise GraphcError("it does not begin as a file of MXNet's arrays does")
    arrays = [_read_array(file) for _ in range(_count(file))]
    names = [_read_name(file) for _ in range(_count(file))]
    if len(names) != len(arrays):
        raise GraphcError(f"it has {len(arrays)} arrays and {len(names)} names")
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise GraphcError(f"{twice[0]!r} stands there twice")
    if left := len(file.data) - file.at:
        raise GraphcError(f"{left} bytes belong to no array")
    return dict(zip(names, arrays))


def _count(file: _Bytes) -> int:
    """How many come now; each takes at least 8 bytes."""
    count = file.number("Q")
    if count > (len(file.data) - file.at) // 8:
        raise GraphcError(f"it is too short for the {count} entries that it tells of at byte {file.at - 8}")
    return count


def _read_name(file: _Bytes) -> str:
    try:
        return file.take(file.number("Q")).decode()
    except UnicodeDecodeError as error:
        raise GraphcError(f"a name is no text: {error}") from error


def _read_array(file: _Bytes) -> np.ndarray:
    start = file.at
    shape = _read_shape(file)
    file.numbers("2i")  # the device
    flag = file.number("i")
    if flag not in DTYPES:
        raise GraphcError(f"the array at byte {start} is of the dtype number {flag}, which graphc does not know")
    dtype = DTYPES[flag].newbyteorder("<")
    return elements(file.take(math.prod(shape) * dtype.itemsize), dtype, shape)


def _read_shape(file: _Bytes) -> tuple[int, ...]:
    start, magic = file.at, file.number("I")
    if magic in (V2, V3) and (storage := file.number("i")):
        raise GraphcError(f"the array at byte {start} is sparse (storage type {storage}); make it dense in MXNet")
    axes = file.number("I") if magic in (V1, V2, V3) else magic
    if axes > MOST_AXES:
        raise GraphcError(f"the array at byte {start} has {axes} axes, or is no array")
    shape = file.numbers(f"{axes}{'q' if magic in (V1, V2, V3) else 'I'}")
    if min(shape, default=0) < 0 or (not shape and magic != V3):
        raise GraphcError(f"the array at byte {start} was saved without a value")
    return shape
