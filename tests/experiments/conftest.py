import types

import pytest

PLUGIN = """
from encodekit import FeatureExtractor, FeatureSpec, StudySpec, hookimpl
import numpy as np, pandas as pd, xarray as xr

encodekit_api = 1

@hookimpl
def encodekit_studies():
    yield StudySpec("small", load="encodekit.testing:small_study", summary="small")

@hookimpl
def encodekit_features():
    yield FeatureSpec("level", load="small_plugin:Level", summary="loudness, times what it learnt")
    yield FeatureSpec("layered", load="small_plugin:Layered", summary="noise, loudness, noise")


class Level(FeatureExtractor):
    '''Loudness per second.

    Parameters
    ----------
    power : {"loud", "quiet"}
    random_state : int
    '''

    resample = "mean"
    fits = []
    leaked = {}  # what validated beside what the file says

    def __init__(self, power="loud", random_state=None, history=8.0, cache=None):
        self.power, self.random_state = power, random_state
        self.history, self.cache = history, cache

    def fit(self, X, y=None, *, validation=None):
        type(self).fits.append(([s.run_name for s in X], y, validation, self.random_state))
        self.level_ = 1.0 if y is None else float(np.nanstd(y[0].values))
        if y is not None:
            self.tuned_on_ = {s.heard_hash: s.run_name for s in X}
            self.participants_ = ("P1",)
            held = validation[0] if validation else []
            self.validated_on_ = {s.heard_hash: s.run_name for s in held} | type(self).leaked
        return self

    @property
    def history_(self):
        if not hasattr(self, "tuned_on_"):
            raise AttributeError("history_")
        return pd.DataFrame({"epoch": [1, 2, 3], "kept": [False, True, False]})

    def weights_hash(self):
        return str(self.level_)

    def frames(self, stimulus):
        sound = stimulus.load_audio()
        level = sound[: sound.size // 16000 * 16000].reshape(-1, 16000).std(axis=1)
        level = level if self.power == "loud" else 1 - level
        return xr.DataArray(
            self.level_ * level[:, None], dims=("time", "feature"),
            coords={"seconds": ("time", np.arange(level.size) + 0.5)},
        )


class Layered(FeatureExtractor):
    '''Three layers of which one is the loudness.

    Parameters
    ----------
    seed : int
    '''

    resample = "mean"

    def __init__(self, seed=0, history=8.0):
        self.seed, self.history = seed, history

    def frames(self, stimulus):
        loud = Level(history=self.history).fit([stimulus]).frames(stimulus).values
        rng = np.random.default_rng(self.seed)
        noise = rng.standard_normal((2, *loud.shape))
        return xr.DataArray(
            np.hstack([noise[0], loud, noise[1]]), dims=("time", "feature"),
            coords={"seconds": ("time", np.arange(len(loud)) + 0.5),
                    "name": ("feature", list("abc")), "layer": ("feature", [1, 2, 3])},
        )
"""

FILE = """
title: loud or not
seed: 7
study: {name: small, n_stories: 6, seed: 2}
split:
  tune: [story-1]
  fit: [story-2, story-3, story-4, story-5]
  test: [story-6]
models:
  words:
    features: {name: word-rate}
  tuned:
    features: {name: level, power: loud}
    tune: {participants: [P1], validation: fit}
delays: [2, 4, 6]
regressor: {name: ridge, alphas: {logspace: [0, 4, 5]}}
score: {by: [participant]}
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ENCODEKIT_CACHE", str(tmp_path / "own-cache"))


@pytest.fixture
def small_plugin(encodekit_plugins):
    """A study without any other program, and an extractor that learns."""
    module = types.ModuleType("small_plugin")
    exec(PLUGIN, vars(module))
    with encodekit_plugins.add(module):
        yield module


@pytest.fixture
def file(tmp_path, small_plugin):
    path = tmp_path / "loud.yaml"
    path.write_text(FILE.lstrip("\n"))
    return path
