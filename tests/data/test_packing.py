import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from encodekit.core import SealedFolder, write_manifest
from encodekit.data._packing import Packer, Unpacker, read_packed, write_packed

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)
arrays = hnp.arrays(
    st.one_of(
        hnp.boolean_dtypes(),
        hnp.integer_dtypes(endianness="?"),
        hnp.floating_dtypes(endianness="?"),
        hnp.unicode_string_dtypes(endianness="?", max_len=5),
    ),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)


def there_and_back(value, folder=None):
    packer = Packer()
    tree = json.loads(json.dumps(packer.pack(value, "value"), allow_nan=False))
    arrays = packer.arrays
    if folder is not None:
        write_packed(folder, "x", tree, arrays)
        write_manifest(folder)
        tree, arrays = read_packed(SealedFolder.open(folder), "x")
    return Unpacker(arrays).unpack(tree)


@settings(max_examples=30, deadline=None)
@given(plain)
def test_plain_values_come_back_equal_and_of_the_same_type(value):
    back = there_and_back(value)
    assert back == value
    assert repr(back) == repr(value)


@settings(max_examples=50, deadline=None)
@given(arrays)
def test_arrays_come_back_bit_by_bit(value):
    back = there_and_back(value)
    assert back.shape == value.shape
    assert back.dtype.kind == value.dtype.kind
    np.testing.assert_array_equal(back, value)


@pytest.mark.parametrize(
    "value",
    [
        Path("a/b"), slice(1, None, 2), range(0, 10, 3), float("inf"), -0.0, (), {}, [],
        np.float32(0.1), np.int8(-3), np.str_("word"), np.bool_(True), {1: {"$": "dict"}},
    ],
    ids=repr,
)  # fmt: skip
def test_other_values_come_back(value, tmp_path):
    back = there_and_back(value, tmp_path)
    assert back == value
    assert type(back) is type(value)


def test_nan_comes_back():
    assert math.isnan(there_and_back(float("nan")))


def test_a_dataarray_comes_back_with_its_coordinates(study, tmp_path):
    run = study.responses()[2]
    xr.testing.assert_identical(there_and_back(run, tmp_path), run)
    bare = xr.DataArray(np.float32(3), name="x", attrs={"a": [1, (2, None)]})
    xr.testing.assert_identical(there_and_back(bare, tmp_path), bare)


def test_a_dataset_comes_back(study, tmp_path):
    truth = xr.Dataset({"a": study.responses()[0], "b": ("x", [1, 2])}, attrs={"seed": 3})
    xr.testing.assert_identical(there_and_back(truth, tmp_path), truth)


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"word": ["a", "NA", ""], "onset": [0.1, np.nan, 3.0], "n": [1, 2, 3]}),
        pd.DataFrame({"x": [1.5]}, index=pd.Index(["row"], name="key")),
        pd.DataFrame({0: [1], 1: [True]}),
        pd.DataFrame({"a": []}),
    ],
)
def test_a_table_comes_back(table, tmp_path):
    pd.testing.assert_frame_equal(there_and_back(table, tmp_path), table)


def test_a_series_comes_back(tmp_path):
    series = pd.Series([1.0, 2.0], index=["a", "b"], name="x")
    pd.testing.assert_series_equal(there_and_back(series, tmp_path), series)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [print]}, r"value.a\[0\] is a builtins.builtin_function_or_method, which cannot be"),
        (np.random.default_rng(0), "value is a numpy.random.*Generator, which cannot"),
        (np.array(["2020"], dtype="M8[D]"), r"value is an array of datetime64\[D\]"),
        (pd.DataFrame({"c": pd.Categorical(["a"])}), "value.c is a column of category"),
        (
            pd.DataFrame({"c": [1]}, index=pd.MultiIndex.from_tuples([(1, 2)])),
            "value: its index has levels",
        ),
        (
            xr.DataArray([[1]], dims=("a", "b"), coords={"a": [0], "b": [0]}).stack(c=("a", "b")),
            "value: index 'c' has levels",
        ),
    ],
)
def test_what_would_need_pickle_is_refused_by_its_place(value, message):
    with pytest.raises(TypeError, match=message):
        there_and_back(value)


def test_an_unknown_kind_of_value_is_refused():
    with pytest.raises(ValueError, match="unknown kind of value 'code'"):
        Unpacker({}).unpack({"$": "code"})
    with pytest.raises(ValueError, match="unknown kind of value '_coords'"):
        Unpacker({}).unpack({"$": "_coords"})


@pytest.mark.parametrize("kind", ["variable", "coords", "index", "later"])
def test_a_file_reaches_no_method_but_those_of_the_table(kind):
    class More(Unpacker):
        def _later(self, packed):
            return "reached"

    with pytest.raises(ValueError, match=f"unknown kind of value '{kind}'"):
        More({}).unpack({"$": kind, "coords": {}, "values": 0, "name": None})
