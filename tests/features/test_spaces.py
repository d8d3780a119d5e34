import numpy as np
import pytest
import xarray as xr
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from encodekit.features import CanonicalHRF, Delayer, FeatureSpaces, WordRate


@pytest.fixture
def stimuli(make_stimulus, make_words):
    return [make_stimulus(name, words=make_words(1.0, 20.0), first=4.0) for name in ("a", "b")]


def test_bands_stand_side_by_side(clock, stimuli):
    both = FeatureSpaces([("clock", clock()), ("word", WordRate())]).fit_transform(stimuli)
    assert both.band.values.tolist() == ["clock", "clock", "word"]
    assert both.coords["name"].values.tolist() == ["time", "one", "word_rate"]
    alone = clock().transform(stimuli)
    np.testing.assert_array_equal(both.values[:, :2], alone.values)
    assert both.run.equals(alone.run)
    assert both.tr.equals(alone.tr)


def test_bands_may_have_delays_of_their_own(clock, stimuli):
    both = FeatureSpaces(
        [
            ("clock", make_pipeline(clock(), Delayer([1, 2]))),
            ("word", make_pipeline(WordRate(), CanonicalHRF())),
        ]
    ).fit_transform(stimuli)
    assert both.band.values.tolist() == ["clock"] * 4 + ["word"]
    assert both.delay.values.tolist() == [2, 2, 4, 4, 0]
    assert (both.tr.values >= 0).all()


def test_history_is_kept_only_where_all_bands_have_it(clock, stimuli):
    both = FeatureSpaces([("long", clock()), ("short", clock(history=2.0))])
    assert both.transform(stimuli).tr.values[:2].tolist() == [-1, 0]
    assert both.transform(stimuli).attrs["history"] == 2.0


def test_delays_after_the_join_are_delays_of_every_band(clock, stimuli):
    joined = FeatureSpaces([("clock", clock()), ("word", WordRate())])
    after = make_pipeline(joined, Delayer([1])).fit_transform(stimuli)
    alone = make_pipeline(clock(), Delayer([1])).fit_transform(stimuli)
    np.testing.assert_array_equal(after.values[:, :2], alone.values)
    assert after.band.values.tolist() == ["clock", "clock", "word"]


def test_parameters_of_each_band_can_be_set_and_cloned(clock):
    spaces = clone(FeatureSpaces([("clock", clock()), ("word", WordRate())]))
    spaces.set_params(clock__history=4.0)
    assert spaces.get_params()["clock__history"] == 4.0
    assert spaces.set_params(clock=WordRate()).spaces[0][1].get_params() == WordRate().get_params()


def test_fit_leaves_the_given_extractors_alone(clock, stimuli):
    word = WordRate()
    spaces = FeatureSpaces([("word", word)]).fit(stimuli)
    assert spaces.spaces_[0][1] is not word


class Fixed:
    def __init__(self, rows):
        self.rows = rows

    def transform(self, X):
        return self.rows


def test_layers_beside_none_are_minus_one(make_rows):
    layered = make_rows(np.ones((3, 2))).assign_coords(layer=("feature", [4, 8]))
    both = FeatureSpaces([("a", Fixed(layered)), ("b", Fixed(make_rows(np.ones((3, 1)))))])
    assert both.transform([]).layer.values.tolist() == [4, 8, -1]


def test_other_rows_are_refused(make_rows):
    rows = make_rows(np.ones((3, 1)))
    shorter = FeatureSpaces([("a", Fixed(rows)), ("b", Fixed(rows.isel(time=[0, 1])))])
    with pytest.raises(ValueError, match="space 'b' lacks 1 rows, the first TR 2 of run 'a'"):
        shorter.transform([])
    longer = FeatureSpaces([("a", Fixed(rows.isel(time=[0, 1]))), ("b", Fixed(rows))])
    with pytest.raises(ValueError, match="space 'b' has, beyond the first space, 1 rows"):
        longer.transform([])


def test_rows_in_another_order_are_joined_by_name(make_rows):
    rows = make_rows(np.arange(4.0)[:, None], runs=list("aabb"))
    turned = rows.isel(time=[2, 3, 0, 1])
    both = FeatureSpaces([("a", Fixed(rows)), ("b", Fixed(turned))]).transform([])
    xr.testing.assert_identical(both[:, 0].drop_vars(["band"]), both[:, 1].drop_vars(["band"]))


@pytest.mark.parametrize(
    ("names", "match"), [([], "got no space"), (["a", "a"], "names are not unique")]
)
def test_bad_names_are_refused(clock, names, match):
    with pytest.raises(ValueError, match=match):
        FeatureSpaces([(name, clock()) for name in names]).transform([])
