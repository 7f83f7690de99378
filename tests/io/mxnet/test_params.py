"""MXNet's `.params` files: what graphc writes and reads, every version of them, and files that are none."""

import struct

import numpy as np
import pytest

import graphc
from graphc.errors import GraphcError

DTYPES = ["float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool"]


def file_of(*arrays: bytes, names=("w",)) -> bytes:
    texts = [struct.pack("<Q", len(name)) + name.encode() for name in names]
    return b"".join([struct.pack("<3Q", 0x112, 0, len(arrays)), *arrays, struct.pack("<Q", len(names)), *texts])


def array(head: str, *numbers: int, values=(1.0, 2.0)) -> bytes:
    return struct.pack(f"<{head}", *numbers) + np.array(values, "<f4").tobytes()


V2 = array("Iiiq3i", 0xF993FAC9, 0, 1, 2, 1, 0, 0)
GOOD = file_of(V2)


@pytest.fixture
def read(tmp_path):
    def read(data: bytes):
        (tmp_path / "net.params").write_bytes(data)
        return graphc.load_params(tmp_path / "net.params")

    return read


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 2, 1, 3), (), (0, 3)], ids=str)
def test_arrays_come_back_as_they_were(tmp_path, dtype, shape):
    given = {"arg:w": np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype), "aux:m": np.ones(2, dtype)}
    graphc.save_params(tmp_path / "net.params", given)
    found = graphc.load_params(tmp_path / "net.params")
    assert list(found) == ["arg:w", "aux:m"]
    for name in given:
        assert found[name].dtype == given[name].dtype
        np.testing.assert_array_equal(found[name], given[name])


def test_order_and_stride_of_an_array_do_not_matter(tmp_path):
    x = np.arange(6.0).reshape(2, 3)
    graphc.save_params(tmp_path / "net.params", {"f": np.asfortranarray(x), "t": x.T, "s": x[:, ::2]})
    found = graphc.load_params(tmp_path / "net.params")
    np.testing.assert_array_equal(found["f"], x)
    np.testing.assert_array_equal(found["t"], x.T)
    np.testing.assert_array_equal(found["s"], x[:, ::2])


def test_what_is_written_is_the_format_of_mxnet(tmp_path):
    graphc.save_params(tmp_path / "net.params", {"w": np.array([1, 2], "float32")})
    assert (tmp_path / "net.params").read_bytes() == GOOD


def test_names_are_any_text(tmp_path):
    graphc.save_params(tmp_path / "net.params", {"Gewicht_ß": np.ones(1), "": np.zeros(1)})
    assert list(graphc.load_params(tmp_path / "net.params")) == ["Gewicht_ß", ""]


@pytest.mark.parametrize(
    "entry",
    [
        V2,
        array("IIq3i", 0xF993FAC8, 1, 2, 1, 0, 0),
        array("Iiiq3i", 0xF993FACA, 0, 1, 2, 1, 0, 0),
        array("II3i", 1, 2, 1, 0, 0),
        array("Iiiq3i", 0xF993FAC9, 0, 1, 2, 2, 3, 0),
    ],
    ids=["version 2", "version 1", "version 3", "before versions", "of a GPU"],
)
def test_files_of_every_version_are_read(read, entry):
    (w,) = read(file_of(entry)).values()
    assert w.dtype == np.float32 and w.tolist() == [1, 2]


def test_version_3_alone_has_scalars(read):
    (w,) = read(file_of(array("Iii3i", 0xF993FACA, 0, 0, 1, 0, 0, values=[3]))).values()
    assert w.shape == () and w == 3
    with pytest.raises(GraphcError, match="without a value"):
        read(file_of(struct.pack("<Iii", 0xF993FAC9, 0, 0)))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "ends at byte 0"),
        (b"PK\3\4" + GOOD, "does not begin"),
        (struct.pack("<3Q", 0x112, 0, 2**60), "too short for the"),
        (struct.pack("<3Q", 0x112, 0, 0) + struct.pack("<Q", 2**60), "too short for the"),
        (file_of(array("Iiiq3i", 0xF993FAC9, 0, 1, 2**60, 1, 0, 0)), "ends at byte"),
        (file_of(array("Iii2q3i", 0xF993FAC9, 0, 2, 2**62, 2**62, 1, 0, 0)), "ends at byte"),
        (file_of(array("Iii3q3i", 0xF993FACA, 0, 3, 0, 2**62, 2**62, 1, 0, 0, values=())), "cannot be read"),
        (file_of(array("Iiiq3i", 0xF993FAC9, 0, 1, -2, 1, 0, 0)), "without a value"),
        (file_of(array("Iiiq3i", 0xF993FAC9, 1, 1, 2, 1, 0, 0)), "sparse"),
        (file_of(array("Iiiq3i", 0xF993FAC9, 0, 1, 2, 1, 0, 77)), "dtype number 77"),
        (file_of(array("Iii", 0xF993FAC9, 0, 2**31 - 1)), "2147483647 axes"),
        (file_of(array("I", 0xDEADBEEF)), "3735928559 axes"),
        (file_of(V2, V2, names=["w", "w"]), "'w' stands there twice"),
        (file_of(V2, V2), "2 arrays and 1 names"),
        (file_of(V2, names=[]), "1 arrays and 0 names"),
        (GOOD + b"\0", "1 bytes belong to no array"),
        (GOOD[:-1] + b"\xff", "no text"),
        (GOOD[:-9] + struct.pack("<Q", 2**63) + b"w", "ends at byte"),
    ],
    ids=range(18),
)
def test_a_file_that_is_none_is_an_error_that_says_what(read, data, what):
    with pytest.raises(GraphcError, match=f"net.params cannot be read: .*{what}|{what}"):
        read(data)


def test_a_truncated_file_is_an_error(read):
    for end in range(len(GOOD)):
        with pytest.raises(GraphcError):
            read(GOOD[:end])


def test_a_flipped_bit_gives_an_error_or_an_array_of_the_file(read):
    for bit in range(8 * len(GOOD)):
        data = bytearray(GOOD)
        data[bit // 8] ^= 1 << bit % 8
        try:
            found = read(bytes(data))
        except GraphcError:
            continue
        assert sum(array.nbytes for array in found.values()) <= len(GOOD)


def test_what_mxnet_has_no_number_for_is_not_written(tmp_path):
    with pytest.raises(GraphcError, match="'w' is an array of uint32; cast it to one of float32"):
        graphc.save_params(tmp_path / "net.params", {"w": np.zeros(2, "uint32")})
    assert not list(tmp_path.iterdir())


def test_mxnet_reads_and_writes_the_same_files(mx, tmp_path):
    arrays = {"arg:w": np.arange(6, dtype="float32").reshape(2, 3), "aux:m": np.arange(3)}
    graphc.save_params(tmp_path / "ours.params", arrays)
    found = mx.nd.load(str(tmp_path / "ours.params"))
    mx.nd.save(str(tmp_path / "theirs.params"), found)
    assert (tmp_path / "ours.params").read_bytes() == (tmp_path / "theirs.params").read_bytes()
