import numpy as np
import pytest
import xarray as xr

from encodekit.features import FeatureExtractor, Lanczos
from encodekit.features._cache import cache_folder, describe


def files(folder):
    return sorted(folder.rglob("*.safetensors"))


def test_the_second_time_comes_from_the_file_and_is_identical(clock, make_stimulus, tmp_path):
    first = clock(cache=tmp_path).transform([make_stimulus()])
    again = clock(cache=tmp_path).transform([make_stimulus()])
    assert clock.n_calls == 1
    xr.testing.assert_identical(first, again)


def test_auto_writes_below_the_folder_of_the_environment(clock, make_stimulus, tmp_path):
    clock(cache="auto").transform([make_stimulus()])
    assert len(files(tmp_path / "own-cache" / "features")) == 1


def test_auto_without_the_environment_is_the_users_folder(monkeypatch):
    monkeypatch.delenv("ENCODEKIT_CACHE")
    assert "encodekit" in str(cache_folder("auto"))
    assert cache_folder(None) is None


def test_names_of_runs_do_not_matter_but_content_grid_and_resampling_do(
    clock, make_stimulus, tmp_path
):
    clock(cache=tmp_path).transform([make_stimulus("a")])
    renamed = clock(cache=tmp_path).transform([make_stimulus("b", run="b-1")])
    assert clock.n_calls == 1
    assert renamed.run.values[0] == "b-1"
    others = [
        (clock(cache=tmp_path), make_stimulus(seed=1)),
        (clock(cache=tmp_path), make_stimulus(first=1.0)),
        (clock(cache=tmp_path), make_stimulus(sample_offset=0.5)),
        (clock(cache=tmp_path, resample="mean"), make_stimulus()),
        (clock(cache=tmp_path, resample=Lanczos(2)), make_stimulus()),
        (clock(cache=tmp_path, resample=Lanczos(4)), make_stimulus()),
    ]
    for n, (extractor, stimulus) in enumerate(others):
        extractor.transform([stimulus])
        assert clock.n_calls == n + 2


def test_a_truncated_or_damaged_file_is_computed_again(clock, make_stimulus, tmp_path):
    first = clock(cache=tmp_path).transform([make_stimulus()])
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    damaged = whole[:-1] + bytes([whole[-1] ^ 1])
    for n, content in enumerate([whole[:100], whole[: len(whole) // 2], b"", damaged]):
        path.write_bytes(content)
        xr.testing.assert_identical(clock(cache=tmp_path).transform([make_stimulus()]), first)
        assert clock.n_calls == n + 2
    assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_written_only_warns(clock, make_stimulus, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.warns(UserWarning, match="features are not cached"):
        features = clock(cache=blocked).transform([make_stimulus()])
    assert features.sizes["time"] == 20


def test_a_parameter_without_description_is_refused(make_stimulus, tmp_path):
    class Odd(FeatureExtractor):
        def __init__(self, how, cache=None):
            self.how = how
            self.cache = cache

    with pytest.raises(ValueError, match="the parameter 'how' is a function"):
        Odd(lambda x: x, cache=tmp_path).transform([make_stimulus()])


def test_a_fitted_extractor_must_identify_its_weights(clock, make_stimulus, tmp_path):
    class Fitted(clock):
        def fit(self, X, y=None):
            self.scale_ = 2.0
            return self

    with pytest.raises(ValueError, match="fitted scale_ but weights_hash"):
        Fitted(cache=tmp_path).fit([]).transform([make_stimulus()])


def test_weights_are_part_of_the_key(clock, make_stimulus, tmp_path):
    class Weighed(clock):
        weights = "w1"

        def weights_hash(self):
            return self.weights

    assert Weighed(cache=tmp_path).transform([make_stimulus()]).attrs["weights"] == "w1"
    Weighed.weights = "w2"
    assert Weighed(cache=tmp_path).transform([make_stimulus()]).attrs["weights"] == "w2"
    assert len(files(tmp_path)) == 2


def test_equal_parameters_have_equal_descriptions(tmp_path):
    parameters = {
        "a": np.float32(1),
        "b": np.arange(3),
        "c": [1, (2,)],
        "d": tmp_path,
        "e": {"k": None},
    }
    assert describe(parameters) == describe(dict(reversed(parameters.items())))
    assert describe({"b": np.arange(3)}) != describe({"b": np.arange(1, 4)})
