"""A result comes back from a file as it was: every part, and all that is made from it."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import make_response
from encodekit.reports import Decision

RATE, T_R, N_TRS = 100, 2.0, 40
STORIES = ("a", "b", "c", "d")
ENDINGS = ("nc", "zarr")

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:.*alpha of the grid:UserWarning", "ignore:.*permutations:UserWarning"
    ),
    pytest.mark.filterwarnings("ignore:by_region. the noise ceiling cannot carry:UserWarning"),
    pytest.mark.filterwarnings("ignore:permutation_test. .* after their sound begins:UserWarning"),
]


class Loudness(ek.FeatureExtractor):
    """Power of the sound in pieces of a second."""

    resample = "mean"

    def __init__(self, square=False):
        self.square = square

    def frames(self, stimulus):
        power = stimulus.load_audio(RATE).reshape(-1, RATE).var(axis=1)
        values = np.c_[power, power**2] if self.square else power[:, None]
        seconds = np.arange(power.size) + 0.5
        return xr.DataArray(values, dims=("time", "feature"), coords={"seconds": ("time", seconds)})


def heard(name, rng):
    loud = rng.uniform(0.1, 1, int(N_TRS * T_R))
    audio = np.repeat(loud, RATE) * rng.standard_normal(loud.size * RATE)
    return ek.Stimulus(name, audio.astype("f4"), RATE, t_r=T_R)


def response(story, who, rng):
    power = story.load_audio(RATE).reshape(N_TRS, -1).var(axis=1)
    signal = np.r_[0, 0, power[:-2]][:, None] / power.std() * [1.0, 0.7, 0.0]
    repeats = (4,) if story.name == "d" else ()
    return make_response(
        signal + rng.standard_normal((*repeats, N_TRS, 3)),
        run=story.run_name,
        participant=who,
        tr_times=story.grid,
        t_r=T_R,
        hemisphere=["left", "left", "right"],
        vertex=[1, 2, 3],
        region=["A1", "A4", "V1"],
        space="fsaverage5",
    )


@pytest.fixture(scope="module")
def result():
    """What evaluate returns, with a ceiling, tests, regions, tables and decisions."""
    rng = np.random.default_rng(0)
    stories = [heard(name, rng) for name in STORIES]
    people = {who: {s.run_name: response(s, who, rng) for s in stories} for who in ("P1", "P2")}
    parts = ek.Study("loud", stories, people).split(fit=["a", "b", "c"], test=["d"])
    models = {
        name: make_pipeline(
            Loudness(square),
            ek.Delayer(seconds=[2, 4]),
            ek.RunScaler(),
            ek.RidgeCV([1.0, 10.0]),
        ).fit(parts.fit.stimuli, parts.fit.responses())
        for name, square in (("loudness", False), ("and its square", True))
    }
    layers = pd.DataFrame({"layer": [1, 2], "score": [0.1, np.nan], "chosen": [False, True]})
    return ek.evaluate(
        models,
        parts.test,
        fit=parts.fit,
        regions={"hearing": ["A1", "A4"]},
        permutations=49,
        by=["participant", "region"],
        decisions=[Decision("epoch", "3", "", "chosen", None, ("P9",), after_scores=True)],
        tables={"layers": layers.assign(model="loudness")},
    )


@pytest.fixture
def small():
    """The least that is a result."""
    coords = {"model": ["m"], "target": ["x", "y"], "participant": ("target", ["P1", "P1"])}
    scores = xr.DataArray([[0.1, np.nan]], dims=("model", "target"), coords=coords)
    return ek.Result("small", scores)


def reloaded(result, folder, ending):
    return ek.Result.load(result.save(folder / f"result.{ending}"))


def check_same(found, given):
    """Names, attributes, order, types and values, of the coordinates too."""
    xr.testing.assert_identical(found, given)
    assert list(found.coords) == list(given.coords)
    variables = [found] if isinstance(found, xr.DataArray) else [found[n] for n in found]
    for variable in variables:
        other = given if isinstance(given, xr.DataArray) else given[variable.name]
        assert variable.dims == other.dims
        assert variable.dtype == other.dtype
        assert {n: c.dtype for n, c in variable.coords.items()} == {
            n: c.dtype for n, c in other.coords.items()
        }


def table_back(small, folder, ending, table):
    found = reloaded(small.adding(it=table), folder, ending).tables["it"]
    pd.testing.assert_frame_equal(found, table, check_exact=True, check_column_type=True)
    assert found.attrs == table.attrs
    return found


def page(result, folder):
    text = ek.report(folder / "page.html", result).read_text()
    return re.sub(r"\d\d \w+ \d{4}, \d\d:\d\d", "then", text)


@pytest.mark.parametrize("ending", ENDINGS)
class TestAResultOfEvaluate:
    def test_every_part_is_the_same(self, result, tmp_path, ending):
        back = reloaded(result, tmp_path, ending)
        check_same(back.scores, result.scores)
        check_same(back.ceiling, result.ceiling)
        check_same(back.tests, result.tests)
        check_same(back.regions, result.regions)
        assert list(back.tables) == list(result.tables)
        for name, table in result.tables.items():
            pd.testing.assert_frame_equal(back.tables[name], table)
        assert back.decisions == result.decisions
        assert back.provenance == result.provenance
        assert back.name == result.name

    def test_what_is_made_from_it_is_the_same(self, result, tmp_path, ending):
        back = reloaded(result, tmp_path, ending)
        for by in ("participant", ["region", "participant"]):
            pd.testing.assert_frame_equal(back.table(by), result.table(by))
        for model in result.models:
            xr.testing.assert_identical(back.of(model), result.of(model))
        pd.testing.assert_frame_equal(ek.audit(back), ek.audit(result))
        assert ek.methods(back) == ek.methods(result)

    def test_the_report_is_the_same_however_often_it_was_saved(self, result, tmp_path, ending):
        (tmp_path / "again").mkdir()
        once = reloaded(result, tmp_path, ending)
        twice = reloaded(once, tmp_path / "again", ending)
        told = page(result, tmp_path)
        assert "Not shown" not in told
        for title in ("Scores", "Cortical maps", "Differences", "By region", "Significance"):
            assert title in told
        assert page(once, tmp_path) == told
        assert page(twice, tmp_path) == told


@pytest.mark.parametrize("ending", ENDINGS)
class TestOddParts:
    def test_scores_keep_their_name_attributes_and_order_of_dimensions(
        self, small, tmp_path, ending
    ):
        attrs = {
            "metric": "r2", "runs": ["a"], "pair": (1, 2.5), "flag": np.bool_(True), "none": None,
            "nested": {"a": [1, {"b": (None,)}], 3: "three"}, "array": np.arange(3, dtype="u1"),
            "when": datetime(2026, 1, 2, 3, tzinfo=UTC), "day": date(2026, 1, 2), "inf": np.inf,
            "f4": np.float32(0.1), "text": "caf\u00e9 \U0001f600 \"'\n", "bytes": b"\xff\x00",
            "set": {2, 1}, "time": np.datetime64("2026-01-02", "ns"), "encodekit:tuple": [1],
        }  # fmt: skip
        scores = small.scores.T.assign_attrs(attrs).rename("correlation of a/b")
        back = reloaded(replace(small, scores=scores), tmp_path, ending).scores
        check_same(back, scores)
        for key, value in attrs.items():
            assert type(back.attrs[key]) is type(value)
            assert str(back.attrs[key]) == str(value)

    @pytest.mark.parametrize(
        "values",
        [
            [True, False], [200, 7], [-(2**62), 2**40], [2**64 - 1, 0], [0.1, np.nan], ["", "x"],
            ["", ""], ["\u00e9", "a\nb"], ["a ", " b"], ["\ud800", "b\x00c"],
            np.array(["2026-01-02", "NaT"], "M8[ns]"), np.array([3, -4], "m8[s]"),
            np.array([1.5, 2.5], "f2"), np.array([1, 2], "i1"), np.array([1, 2], "u2"),
            np.array([None, "a"], object), np.array([(1, "a"), {"b": None}], object),
            np.array([1, "a"], object), np.array([1 + 2j, 0]), np.array([b"a", b"bc"]),
            np.array(["a", "b"], np.dtypes.StringDType()), np.array([0.1, 0.2], np.longdouble),
        ],
        ids=str,
    )  # fmt: skip
    def test_coordinates_keep_their_type(self, small, tmp_path, ending, values):
        scores = small.scores.assign_coords({"it": ("target", np.asarray(values))})
        scores.coords["it"].attrs["unit"] = ("s", 1)
        check_same(reloaded(replace(small, scores=scores), tmp_path, ending).scores, scores)

    @pytest.mark.parametrize(
        "name", ["values", "r", "inside", "a/b", "a.b", "\u00e9", "scores", "0"]
    )
    def test_coordinates_may_have_any_name(self, small, tmp_path, ending, name):
        scores = small.scores.assign_coords(
            {name: ("target", ["s", "t"]), f"{name}_": ("model", [3])}
        )
        back = reloaded(replace(small, scores=scores.rename(name)), tmp_path, ending)
        check_same(back.scores, scores.rename(name))

    def test_a_ceiling_keeps_the_attributes_of_each_variable(self, result, tmp_path, ending):
        ceiling = result.ceiling.copy(deep=True)
        ceiling["ceiling"].attrs = {"unit": "r"}
        ceiling["r"] = ceiling["ceiling"].assign_attrs(metric="other")
        ceiling["few"] = ("block", np.array([1, 2], "i2"))
        ceiling.attrs = {}
        back = reloaded(replace(result, ceiling=ceiling), tmp_path, ending)
        check_same(back.ceiling, ceiling)
        assert back.scores.attrs == result.scores.attrs

    def test_regions_keep_coordinates_and_a_group_of_no_target(self, result, tmp_path, ending):
        regions = xr.concat([result.regions, ~result.regions & False], "group").assign_coords(
            group=["hearing", "none"], colour=("group", ["red", ""])
        )
        regions = regions.rename("areas").assign_attrs(atlas="glasser")
        check_same(reloaded(replace(result, regions=regions), tmp_path, ending).regions, regions)

    def test_decisions_and_provenance_are_those_that_were_given(self, small, tmp_path, ending):
        given = {"t_r": (1.0, 2.0), 3: {"a": None}, "x": np.float32(0.1), "nan": np.nan, "s": {1}}
        decisions = (
            Decision("alpha", 3.5, "", "chosen", MappingProxyType({"a": "0f"}), ("P1",)),
            Decision("layer", "[8]", stimuli=None, after_scores=True),
        )
        back = reloaded(replace(small, provenance=given, decisions=decisions), tmp_path, ending)
        assert str(back.provenance) == str(given)
        assert back.decisions == decisions

    def test_a_name_of_any_text(self, small, tmp_path, ending):
        named = replace(small, name="\u00e9/\x00\ud800 encodekit_result")
        assert reloaded(named, tmp_path, ending).name == named.name


@pytest.mark.parametrize("ending", ENDINGS)
class TestTables:
    def test_columns_keep_their_type_and_what_is_missing(self, small, tmp_path, ending):
        table = pd.DataFrame(
            {
                "flag": [True, False, True],
                "whole": [1, 2, 2**60],
                "small": np.array([1, 2, 255], "u1"),
                "score": [0.1, np.nan, np.inf],
                "f4": np.array([0.1, np.nan, 2], "f4"),
                "text": ["", "b", None],
                "objects": pd.Series(["", None, np.nan], dtype=object),
                "mixed": pd.Series([1, "1", 1.0], dtype=object),
                "lists": pd.Series([[1], (2, "b"), {"c": None}], dtype=object),
                "when": pd.to_datetime(["2026-01-02", None, "2026-03-04"]) + pd.Timedelta("8ns"),
                "zone": pd.to_datetime(["2026-01-02", None, "2026-07-04"]).tz_localize(
                    "Europe/Berlin"
                ),
                "took": pd.to_timedelta(["1s", None, "2h"]),
                "kind": pd.Categorical(["u", None, "v"], categories=["v", "u", "w"], ordered=True),
                "step": pd.Categorical([3, 1, None]),
                "maybe": pd.array([1, None, 3], dtype="Int64"),
                "perhaps": pd.array([True, None, False], dtype="boolean"),
                "words": pd.array(["a", None, ""], dtype="string"),
            }
        )
        back = table_back(small, tmp_path, ending, table)
        assert [type(one) for one in back["mixed"]] == [int, str, float]
        assert back["objects"].tolist()[:2] == ["", None]

    @pytest.mark.parametrize(
        "table",
        [
            pd.DataFrame(),
            pd.DataFrame(index=range(3)),
            pd.DataFrame({"a": [], "b": np.array([], object)}),
            pd.DataFrame({"a": [1, 2]}, index=["x", "y"]),
            pd.DataFrame({"a": [1, 2]}, index=pd.Index([3, 1], name="row")),
            pd.DataFrame({"a": [1, 2]}).iloc[[1, 0]],
            pd.DataFrame({"a": [1.0, 2.0]}, index=pd.to_datetime(["2026-01-01", "2026-01-02"])),
            pd.DataFrame({1: [1], "1": ["x"], (2, "b"): [0.5], None: [True]}),
            pd.DataFrame([[1, 2]], columns=["a", "a"]),
            pd.DataFrame([[1, 2]], columns=pd.Index([10, 20], name="k")),
            pd.DataFrame({"a": [1, 2, 2], "b": [1, 1, 2], "c": [0.1, 0.2, 0.3]}).set_index(
                ["a", "b"]
            ),
            pd.DataFrame({("m", "x"): [1], ("m", "y"): [2]}),
            pd.DataFrame({"index0": [1], "row": [2], "a/b": ["c"], "": [3], "\u00e9": [4]}),
        ],
        ids=range(13),
    )
    def test_odd_tables_come_back(self, small, tmp_path, ending, table):
        table.attrs = {"seen": ("a", 1)}
        table_back(small, tmp_path, ending, table)

    def test_tables_of_names_that_read_alike_stay_apart(self, small, tmp_path, ending):
        tables = {f"a{c}b": pd.DataFrame({"x": range(n)}) for n, c in enumerate(" /_.-", start=1)}
        back = reloaded(small.adding(**tables), tmp_path, ending)
        assert {name: len(table) for name, table in back.tables.items()} == {
            name: len(table) for name, table in tables.items()
        }

    def test_what_no_file_holds_is_kept_as_its_text(self, small, tmp_path, ending):
        table = pd.DataFrame({"bins": pd.cut([1, 5], [0, 3, 6]), "made": [object, None]})
        table["spans"] = pd.arrays.IntervalArray.from_tuples([(0, 1), (1, 2)])
        back = reloaded(small.adding(it=table), tmp_path, ending).tables["it"]
        assert back["bins"].astype(str).tolist() == ["(0, 3]", "(3, 6]"]
        assert back["spans"].tolist() == ["(0, 1]", "(1, 2]"]
        assert back["made"].tolist() == ["<class 'object'>", None]
