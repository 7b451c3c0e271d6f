"""The IDX reader: every type of the format, and every way a file can be wrong."""

from __future__ import annotations

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconv import FormatError
from fastconv.datasets import idx

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
PACKINGS = {"plain": lambda data: data, "gzipped": lambda data: gzip.compress(data, mtime=0)}


def header(code: int, *shape: int) -> bytes:
    return struct.pack(f">4B{len(shape)}I", 0, 0, code, len(shape), *shape)


SMALL = header(8, 2, 3) + bytes(range(6))


@pytest.fixture(params=PACKINGS)
def pack(request):
    return PACKINGS[request.param]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.idx"


def reading(path, content: bytes, **arguments):
    path.write_bytes(content)
    return idx.read(path, **arguments)


@pytest.mark.parametrize("code", TYPES)
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 1, 2, 3)])
def test_every_type_is_read_in_native_byte_order(path, pack, code, shape):
    expected = np.arange(1, np.prod(shape) + 1).reshape(shape).astype(TYPES[code])
    array = reading(path, pack(header(code, *shape) + expected.tobytes()), ndim=len(shape))
    np.testing.assert_array_equal(array, expected)
    assert array.dtype == np.dtype(TYPES[code]).newbyteorder("=")
    assert array.dtype.isnative
    assert array.flags.writeable
    assert array.flags.c_contiguous


def test_larger_than_one_chunk(path, pack):
    expected = np.random.default_rng(0).integers(0, 256, (3, 1000, 1001), dtype=np.uint8)
    array = reading(path, pack(header(8, *expected.shape) + expected.tobytes()))
    np.testing.assert_array_equal(array, expected)


def test_a_path_as_text(path):
    path.write_bytes(SMALL)
    assert idx.read(str(path)).shape == (2, 3)


def test_truncated_at_any_offset(path, pack):
    whole = pack(SMALL)
    for length in range(len(whole)):
        with pytest.raises(FormatError, match=f"{path}: "):
            reading(path, whole[:length])


@pytest.mark.parametrize("extra", [b"\0", b"x", b"\x1f\x8b", bytes(3 << 20)])
def test_trailing_bytes_are_refused(path, pack, extra):
    with pytest.raises(FormatError, match="bytes follow after the 6 bytes of elements"):
        reading(path, pack(SMALL + extra))
    if pack(SMALL) != SMALL:
        with pytest.raises(FormatError, match="bytes follow after the end of the gzip data"):
            reading(path, pack(SMALL) + extra)


def test_a_flipped_bit_in_gzip_data_never_changes_the_array(path):
    whole = gzip.compress(SMALL, mtime=0)
    refused = 0
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            array = reading(path, bytes(flipped))
        except FormatError:
            refused += 1
        else:  # a bit that means nothing: in the header's time stamp, or the padding to a byte
            np.testing.assert_array_equal(array, np.arange(6).reshape(2, 3))
    assert refused >= 8 * (len(whole) - 10) - 7


@pytest.mark.parametrize(
    "start", [b"\0\0\x07\x01", b"\0\0\x0a\x01", b"\0\x01\x08\x01", b"\x01\0\x08\x01", b"PK\x03\x04"]
)
def test_a_wrong_magic_number_is_refused(path, pack, start):
    with pytest.raises(FormatError, match=f"the magic number must be .*, received 0x{start.hex()}"):
        reading(path, pack(start + SMALL[4:]))


def test_wrong_number_of_dimensions(path):
    with pytest.raises(FormatError, match="must have 3 dimensions, received 2"):
        reading(path, SMALL, ndim=3)
    with pytest.raises(FormatError, match="must have at least 1 dimensions, received 0"):
        reading(path, header(8))
    with pytest.raises(FormatError, match="positive and at most 32"):
        reading(path, header(8, *[1] * 33) + b"x")


def test_a_dimension_of_zero(path, pack):
    with pytest.raises(FormatError, match=r"dimensions must be positive .* received \(0, 3\)"):
        reading(path, pack(header(8, 0, 3)))


HUGE = [(2**32 - 1,) * 2, (2**32 - 1,) * 32, (10**6, 10**6, 10**6), (2**31, 2**31, 2, 2)]


@pytest.mark.parametrize("shape", HUGE)
@pytest.mark.parametrize("code", [0x08, 0x0E])
def test_huge_dimensions_are_refused_before_anything_is_allocated(path, pack, shape, code):
    path.write_bytes(pack(header(code, *shape) + bytes(100)))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="the header declares an array of shape"):
            idx.read(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_gzip_data_that_ends_long_before_the_declared_size_costs_no_memory(path):
    path.write_bytes(gzip.compress(header(8, 1000, 1000, 50) + bytes(10**5)) + bytes(10**5))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=r"ends early|bytes follow"):
            idx.read(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_the_limit_holds_for_files_that_are_what_they_declare(path, monkeypatch):
    monkeypatch.setattr(idx, "MAX_BYTES", 5)
    with pytest.raises(FormatError, match="above the limit of 5"):
        reading(path, SMALL)


def test_an_empty_file_is_refused(path):
    with pytest.raises(FormatError, match="ends early, after 0 of the 4 bytes of its magic number"):
        reading(path, b"")


def test_a_missing_file_is_an_oserror(path):
    with pytest.raises(FileNotFoundError):
        idx.read(path)


@given(
    start=st.sampled_from([b"", b"\0\0\x08\x01", b"\0\0\x0d\x02", b"\x1f\x8b\x08\0", SMALL[:8]]),
    rest=st.binary(max_size=64),
    zipped=st.booleans(),
)
def test_any_bytes_give_an_array_or_a_format_error(tmp_path_factory, start, rest, zipped):
    path = tmp_path_factory.mktemp("idx") / "file"
    content = start + rest
    try:
        array = reading(path, gzip.compress(content) if zipped else content)
    except FormatError:
        return
    plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    assert array.nbytes + 4 + 4 * array.ndim == len(plain)
