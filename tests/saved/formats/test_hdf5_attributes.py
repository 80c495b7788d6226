"""The HDF5 reader against h5py, and against files that h5py would not write."""

import io
import struct

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewriter.errors import ModelReadError, UnsupportedModelError
from rewriter.saved.formats.hdf5_attributes import STRUCTURE_LIMIT, root_strings

pytestmark = pytest.mark.fast

LIMITS = {"model_config": 2**20, "training_config": 2**20, "keras_version": 100}


def hdf5_bytes(attributes, **how):
    file = io.BytesIO()
    with h5py.File(file, "w", **how) as group:
        for name, value in attributes.items():
            group.attrs[name] = value
        group.create_dataset("weights", data=np.zeros(50))
    return file.getvalue()


def strings(content, limits=LIMITS):
    return root_strings(io.BytesIO(content), limits)


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300)


@settings(max_examples=100, deadline=None)
@given(
    texts=st.dictionaries(st.sampled_from(sorted(LIMITS)), TEXTS.map(lambda text: text[:25])),
    fixed=st.booleans(),
    others=st.dictionaries(
        TEXTS.filter(lambda text: 0 < len(text) < 50 and text not in LIMITS), st.integers(0, 9)
    ),
    libver=st.sampled_from(["earliest", "v108", "v110", "latest"]),
)
def test_it_reads_what_h5py_wrote(texts, fixed, others, libver):
    attributes = dict(list(others.items())[:4])
    for name, text in texts.items():
        attributes[name] = np.bytes_(text.encode()) if fixed and text else text
    expected = {name: text.encode() for name, text in texts.items()}
    assert strings(hdf5_bytes(attributes, libver=libver)) == expected


@pytest.mark.parametrize("length", [1, 60_000, 70_000, 1_000_000])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_texts_over_64_kb_are_read(length, libver):
    text = b"x" * length
    assert strings(hdf5_bytes({"model_config": text}, libver=libver)) == {"model_config": text}


def test_attributes_in_several_blocks_are_read():
    attributes = {f"other{i}": "x" * 500 for i in range(50)} | {"keras_version": "2.5.0"}
    assert strings(hdf5_bytes(attributes)) == {"keras_version": b"2.5.0"}


@pytest.mark.parametrize(
    "value",
    [
        3,
        2.5,
        np.array(["a", "b"], dtype=object),
        np.array([b"a"]),
        h5py.Empty("S1"),
        np.array((1, 2.0), dtype="i4,f4"),
    ],
    ids=["integer", "float", "texts", "bytes", "empty", "compound"],
)
def test_an_attribute_that_is_no_string_is_an_error(value):
    with pytest.raises(ModelReadError, match="model_config is not one string"):
        strings(hdf5_bytes({"model_config": value}))


def test_a_sequence_of_numbers_is_no_string():
    value = np.empty((), dtype=h5py.vlen_dtype("i4"))
    value[()] = np.arange(3, dtype="i4")
    with pytest.raises(ModelReadError, match="not one string"):
        strings(hdf5_bytes({"model_config": value}))


def test_a_text_over_its_limit_is_not_read():
    content = hdf5_bytes({"model_config": "x" * 101, "training_config": np.bytes_("x" * 101)})
    for name in ("model_config", "training_config"):
        assert strings(content, {name: 101}) == {name: b"x" * 101}
        with pytest.raises(ModelReadError, match=f"{name} takes more"):
            strings(content, {name: 100})


@pytest.mark.parametrize("length", [23, 2**20, 2**32 - 1])
def test_a_length_that_the_file_does_not_have_is_an_error(length):
    content = bytearray(hdf5_bytes({"model_config": "x" * 21}))
    heap = content.index(b"GCOL")
    place = content.index(struct.pack("<IQI", 21, heap, 1))
    content[place : place + 4] = struct.pack("<I", length)
    with pytest.raises(ModelReadError):
        strings(bytes(content))


def test_headers_without_an_end_are_an_error():
    content = bytearray(hdf5_bytes({f"other{i}": "x" for i in range(50)}))
    (root,) = struct.unpack_from("<Q", content, 64)
    # The first message becomes a continuation at the root group's own messages.
    struct.pack_into("<HHxxxxQQ", content, root + 16, 0x10, 16, root + 16, 64)
    with pytest.raises(ModelReadError, match="no end"):
        strings(bytes(content))


def test_densely_stored_attributes_are_refused_by_name():
    attributes = {f"other{i}": i for i in range(20)} | {"model_config": "{}"}
    with pytest.raises(UnsupportedModelError, match="densely"):
        strings(hdf5_bytes(attributes, libver="latest"))


class _Counted(io.BytesIO):
    count = 0

    def read(self, size=-1):
        data = super().read(size)
        self.count += len(data)
        return data


def test_weights_are_not_read():
    file = io.BytesIO()
    with h5py.File(file, "w") as group:
        group.create_dataset("weights", data=np.ones(4_000_000))
        group.attrs["model_config"] = "{}"
    counted = _Counted(file.getvalue())
    assert root_strings(counted, LIMITS) == {"model_config": b"{}"}
    assert counted.count < 10_000 < STRUCTURE_LIMIT
