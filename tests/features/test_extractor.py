import joblib
import numpy as np
import pytest
import xarray as xr
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from encodekit.features import Delayer, FeatureExtractor, Lanczos, RunScaler


def test_rows_lie_at_onset_plus_offset_and_carry_the_contract(clock, make_stimulus):
    features = clock(resample="mean").transform([make_stimulus(first=10.0)])
    assert features.dims == ("time", "feature")
    assert features.dtype == np.float32
    assert features.tr.values[:6].tolist() == [-5, -4, -3, -2, -1, 0]
    assert features.seconds.values[5] == 10.0
    np.testing.assert_allclose(features.sel(feature=0), features.seconds + 1.0, atol=1e-5)
    assert set(features.run.values) == set(features.stimulus.values) == {"story-1"}
    assert features.attrs["extractor"] == "Clock"
    assert features.attrs["t_r"] == 2.0
    assert features.attrs["sample_offset"] == 1.0
    assert features.attrs["history"] == 16.0


def test_another_sample_offset_moves_the_rows(clock, make_stimulus):
    features = clock(resample="mean").transform([make_stimulus(first=10.0, sample_offset=0.0)])
    np.testing.assert_allclose(features[1:, 0], features.seconds[1:], atol=0.02)


def test_history_reaches_no_further_than_asked_nor_before_the_audio(clock, make_stimulus):
    assert clock(history=4.0).transform([make_stimulus(first=10.0)]).tr.values[0] == -2
    assert clock(history=90.0).transform([make_stimulus(first=10.0)]).tr.values[0] == -5


def test_a_subclass_takes_its_class_attributes_as_defaults():
    class Loud(FeatureExtractor):
        history = 4.0
        resample = "sum"

    assert Loud().get_params() == {"history": 4.0, "resample": "sum", "cache": None}
    assert repr(Loud()) == "Loud()"
    assert clone(Loud(history=8.0)).history == 8.0


def test_a_subclass_of_a_subclass_keeps_its_own_init():
    class Own(FeatureExtractor):
        def __init__(self, pitch=1):
            self.pitch = pitch

    class Further(Own):
        history = 2.0

    assert Further(pitch=3).get_params() == {"pitch": 3}
    assert Further().history == 2.0


def test_several_runs_are_joined_with_their_names(clock, make_stimulus):
    features = clock().transform(
        [make_stimulus("a"), make_stimulus("b"), make_stimulus("a", run="a2")]
    )
    assert list(dict.fromkeys(features.run.values)) == ["a", "b", "a2"]
    assert list(dict.fromkeys(features.stimulus.values)) == ["a", "b"]


def test_frames_without_names_are_numbered(make_stimulus):
    class Bare(FeatureExtractor):
        def frames(self, stimulus):
            return xr.DataArray(np.ones((3, 2)), dims=("time", "feature"),
                                coords={"seconds": ("time", [1.0, 3.0, 5.0])})  # fmt: skip

    assert Bare().transform([make_stimulus()]).coords["name"].values.tolist() == [
        "Bare.000",
        "Bare.001",
    ]


def test_an_index_of_features_names_them(make_stimulus):
    class Indexed(FeatureExtractor):
        def frames(self, stimulus):
            return xr.DataArray(np.ones((1, 1)), dims=("time", "feature"),
                                coords={"seconds": ("time", [1.0]), "feature": ["f0"]})  # fmt: skip

    assert Indexed().transform([make_stimulus()]).coords["name"].values.tolist() == ["f0"]


@pytest.mark.parametrize(
    ("frames", "match"),
    [
        (np.ones((3, 2)), "expected a DataArray .time, feature. with the coordinate 'seconds'"),
        (xr.DataArray(np.ones((3, 2)), dims=("time", "feature")), "no coordinate 'seconds' on"),
        (xr.DataArray(np.ones((3, 2)), dims=("feature", "time")), "got the dims .'feat"),
        (
            xr.DataArray(np.ones((2, 1)), dims=("time", "feature"),
                         coords={"seconds": ("time", [1.0, 0.0])}),
            "must be finite and not decrease",
        ),
        (
            xr.DataArray([[1.0], [np.nan]], dims=("time", "feature"),
                         coords={"seconds": ("time", [1.0, 2.0])}),
            "run 'story-1' are NaN or infinite in 1 of 2 frames, the first at 2 s",
        ),
    ],
)  # fmt: skip
def test_frames_that_are_not_as_described_are_refused(make_stimulus, frames, match):
    class Wrong(FeatureExtractor):
        def frames(self, stimulus):
            return frames

    with pytest.raises(ValueError, match=match):
        Wrong().transform([make_stimulus()])


def test_an_error_of_the_resampling_names_the_run(make_stimulus):
    class Sparse(FeatureExtractor):
        resample = "mean"

        def frames(self, stimulus):
            return xr.DataArray(np.ones((1, 1)), dims=("time", "feature"),
                                coords={"seconds": ("time", [1.0])})  # fmt: skip

    with pytest.raises(ValueError, match="run 'story-1': 19 of 20 TRs hold no frame"):
        Sparse().transform([make_stimulus()])


def test_duplicate_run_names_are_refused(clock, make_stimulus):
    with pytest.raises(ValueError, match="2 runs have the name 'story-1'"):
        clock().transform([make_stimulus(), make_stimulus(seed=1)])


def test_what_is_not_a_list_of_stimuli_is_refused(clock, make_stimulus):
    class Study:
        stimuli = ()

    with pytest.raises(TypeError, match="wrap it"):
        clock().transform(make_stimulus())
    with pytest.raises(TypeError, match=r"pass its \.stimuli"):
        clock().transform(Study())
    with pytest.raises(TypeError, match=r"got a ndarray in it: .* ek\.Stimulus\("):
        clock().transform(np.ones((3, 2)))
    with pytest.raises(ValueError, match="got no stimulus"):
        clock().transform([])


def test_runs_of_other_trs_say_theirs_row_by_row(clock, make_stimulus):
    rows = clock().transform([make_stimulus("a"), make_stimulus("b", t_r=1.5)])
    assert set(rows.t_r.values[rows.run == "a"]) == {2.0}
    assert set(rows.t_r.values[rows.run == "b"]) == {1.5}


def test_counts_at_several_trs_warn(clock, make_stimulus):
    with pytest.warns(UserWarning, match="Clock counts per TR.*TRs of 1.5 and 2 s.*RunScaler"):
        clock(resample="sum").transform([make_stimulus("a"), make_stimulus("b", t_r=1.5)])


def test_it_works_in_a_pipeline_with_memory(clock, make_stimulus, tmp_path):
    memory = joblib.Memory(tmp_path, verbose=0)
    pipeline = make_pipeline(clock(), Delayer(seconds=[2, 4]), RunScaler(), memory=memory)
    first = pipeline.fit_transform([make_stimulus()])
    n_calls = clock.n_calls
    again = clone(pipeline).fit_transform([make_stimulus()])
    assert clock.n_calls == n_calls
    xr.testing.assert_identical(first, again)


def test_it_works_frozen_and_unfitted(clock, make_stimulus):
    stimuli = [make_stimulus()]
    frozen = FrozenEstimator(clock())
    xr.testing.assert_identical(
        frozen.fit(stimuli, None).transform(stimuli), clock().transform(stimuli)
    )
    xr.testing.assert_identical(
        make_pipeline(clock(), Delayer([1])).transform(stimuli),
        make_pipeline(clock(), Delayer([1])).fit_transform(stimuli),
    )


def test_a_nested_lanczos_is_cloned_and_set(clock):
    extractor = clone(clock(resample=Lanczos(2))).set_params(resample__window=4)
    assert extractor.resample.window == 4


def test_frames_timed_in_samples_are_refused(make_stimulus):
    class InSamples(FeatureExtractor):
        def frames(self, stimulus):
            seconds = np.arange(0, 40 * 16_000, 160)
            return xr.DataArray(np.ones((seconds.size, 1)), dims=("time", "feature"),
                                coords={"seconds": ("time", seconds)})  # fmt: skip

    for resample in ("lanczos", "sum", "mean"):
        with pytest.raises(
            ValueError, match=r"reach 639840 s but the audio lasts \d+ s: are these"
        ):
            InSamples(resample=resample).transform([make_stimulus()])


def test_a_class_without_frames_is_told_to_write_it(make_stimulus):
    class Frameless(FeatureExtractor):
        pass

    with pytest.raises(NotImplementedError, match="Frameless has no frames: write frames"):
        Frameless().transform([make_stimulus()])


def test_a_parameter_that_init_does_not_store_is_named():
    class Forgets(FeatureExtractor):
        def __init__(self, fmin=65.0):
            pass

    with pytest.raises(AttributeError, match=r"Forgets.__init__ takes fmin and .*self.fmin = fmin"):
        Forgets().get_params()


def test_a_misspelt_attribute_is_answered_with_close_matches(clock):
    with pytest.raises(AttributeError, match=r"Clock: unknown attribute 'histroy': .*'history'"):
        clock().histroy  # noqa: B018
    assert not hasattr(clock(), "level_")
