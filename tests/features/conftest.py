import numpy as np
import pandas as pd
import pytest
import xarray as xr

from encodekit.data import Stimulus
from encodekit.features import FeatureExtractor

RATE = 16000


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ENCODEKIT_CACHE", str(tmp_path / "own-cache"))


class Clock(FeatureExtractor):
    """Two features, the time and a constant, 50 frames a second."""

    n_calls = 0

    def frames(self, stimulus):
        type(self).n_calls += 1
        end = float(stimulus.grid[-1]) + 2 * stimulus.t_r
        seconds = np.arange(0.01, end, 0.02)
        return xr.DataArray(
            np.stack([seconds, np.ones_like(seconds)], axis=1),
            dims=("time", "feature"),
            coords={"seconds": ("time", seconds), "name": ("feature", ["time", "one"])},
        )


@pytest.fixture
def clock():
    Clock.n_calls = 0
    return Clock


@pytest.fixture
def make_stimulus():
    def make(
        name="story-1", seconds=40.0, first=0.0, t_r=2.0, words=None, seed=0, n_trs=None, **kw
    ):
        n_trs = int((seconds - first) // t_r) if n_trs is None else n_trs
        audio = np.random.default_rng(seed).standard_normal(int(seconds * RATE)).astype("float32")
        return Stimulus(
            name,
            audio,
            RATE,
            words=words,
            tr_times=first + t_r * np.arange(n_trs),
            t_r=t_r,
            **kw,
        )

    return make


@pytest.fixture
def make_words():
    def make(*onsets, column="word"):
        return pd.DataFrame({column: "x", "onset": list(onsets), "duration": 0.1})

    return make


@pytest.fixture
def make_rows():
    """Rows as an extractor gives them, with ``n_history`` rows of history per run."""

    def make(values, runs=None, n_history=0, first=0.0, t_r=2.0):
        values = np.asarray(values, dtype=float)
        runs = np.full(len(values), "a") if runs is None else np.asarray(runs)
        tr = np.concatenate(
            [np.arange((runs == r).sum()) - n_history for r in dict.fromkeys(runs.tolist())]
        )
        return xr.DataArray(
            values,
            dims=("time", "feature"),
            coords={
                "run": ("time", runs),
                "stimulus": ("time", runs),
                "tr": ("time", tr),
                "seconds": ("time", first + t_r * tr),
                "name": ("feature", [f"f{i}" for i in range(values.shape[1])]),
            },
            attrs={"t_r": t_r, "sample_offset": t_r / 2, "history": n_history * t_r},
        )

    return make
