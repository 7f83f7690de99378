"""Arrays by name in a file: NumPy's `.npz`, or `.safetensors`; whatever is not just that is an error.

A `.safetensors` file is the length of a header in 8 bytes, the header, which is JSON and says of every array its
dtype, its shape and where its bytes are, and the bytes.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, Any, TypeAlias
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy

from graphc.errors import GraphcError
from graphc.types import SUPPORTED, DType, as_dtype

Arrays: TypeAlias = dict[str, np.ndarray]
PathLike: TypeAlias = "str | os.PathLike[str]"

_CODES = {
    "bool": "BOOL", "float32": "F32", "float64": "F64", "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64",
    "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64",
}  # fmt: skip
_DTYPES = {code: np.dtype(name) for name, code in _CODES.items()}


def save_arrays(path: PathLike, arrays: Mapping[str, Any]) -> None:
    """Write arrays to a file, in the format that its suffix names."""
    write, _ = _format(Path(path))
    replace_file(path, write({name: _supported(name, value) for name, value in arrays.items()}))


def load_arrays(path: PathLike) -> Arrays:
    """The arrays of a file, in the order in which they stand there."""
    path = Path(path)
    _, read = _format(path)
    data = path.read_bytes()
    try:
        return read(data)
    except Exception as error:  # whatever a strange file may lead to
        what = str(error) if isinstance(error, GraphcError) else f"{type(error).__name__}: {error}"
        raise GraphcError(f"{path.name} cannot be read: {what}") from error


def replace_file(path: PathLike, data: bytes) -> None:
    """Write a file as a whole: until all is written, what was there stays."""
    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def elements(data: bytes, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
    """The array of these bytes, if they are as many as it needs: a shape alone makes no memory."""
    if not all(extent >= 0 for extent in shape) or math.prod(shape) * dtype.itemsize != len(data):
        raise GraphcError(f"{len(data)} bytes are no {dtype} array of the shape {shape}")
    array = np.frombuffer(data, dtype).reshape(shape)
    if array.dtype == np.bool_ and (array.view(np.uint8) > 1).any():
        raise GraphcError("a byte that is neither 0 nor 1 stands for a bool")
    return array.astype(dtype.newbyteorder("="))


def _format(path: Path) -> tuple[Callable[[Arrays], bytes], Callable[[bytes], Arrays]]:
    if path.suffix not in _FORMATS:
        raise GraphcError(f"{path.name}: arrays are kept in files that end in {' or '.join(_FORMATS)}")
    return _FORMATS[path.suffix]


def _supported(name: str, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.newbyteorder("=") not in SUPPORTED:
        raise GraphcError(f"{name!r} is an array of {array.dtype}, which graphc does not compute in; cast it")
    return array.astype(array.dtype.newbyteorder("="), order="C", copy=False)


# -- .npz -------------------------------------------------------------------------------------------


def _write_npz(arrays: Arrays) -> bytes:
    file = BytesIO()
    with ZipFile(file, "w", ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = BytesIO()
            npy.write_array(member, array, allow_pickle=False)
            archive.writestr(ZipInfo(f"{name}.npy"), member.getvalue())  # of no date: equal arrays, equal files
    return file.getvalue()


def _read_npz(data: bytes) -> Arrays:
    found = Arrays()
    with ZipFile(BytesIO(data)) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if member.compress_type != ZIP_STORED or member.file_size > len(data):
                raise GraphcError(f"{name!r} is compressed; write it by numpy.savez")
            if name in found:
                raise GraphcError(f"{name!r} stands there twice")
            found[name] = _read_npy(BytesIO(archive.read(member)))
    return found


def _read_npy(file: IO[bytes]) -> np.ndarray:
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[npy.read_magic(file)]
    shape, fortran, dtype = read_header(file)
    as_dtype(dtype)
    array = elements(file.read(), dtype, shape[::-1] if fortran else shape)
    return array.T if fortran else array


# -- .safetensors -----------------------------------------------------------------------------------


def _write_safetensors(arrays: Arrays) -> bytes:
    header, start = dict[str, Any](), 0
    for name, array in arrays.items():
        end = start + array.nbytes
        header[name] = {"dtype": _CODES[array.dtype.name], "shape": array.shape, "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the arrays are aligned
    return b"".join([struct.pack("<Q", len(text)), text, *(_little(array) for array in arrays.values())])


def _little(array: np.ndarray) -> bytes:
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _read_safetensors(data: bytes) -> Arrays:
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    header.pop("__metadata__", None)
    found, end = Arrays(), 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        start, stop = entry["data_offsets"]
        if start != end or stop > len(body):
            raise GraphcError(f"{name!r} does not begin where the array before it ends")
        found[name] = elements(body[start:stop], _DTYPES[entry["dtype"]].newbyteorder("<"), tuple(entry["shape"]))
        end = stop
    if end != len(body):
        raise GraphcError(f"{len(body) - end} bytes belong to no array")
    return found


_FORMATS = {".npz": (_write_npz, _read_npz), ".safetensors": (_write_safetensors, _read_safetensors)}
