import numpy as np
import pytest
import xarray as xr

import encodekit as ek
from encodekit.data import RunList, Stimulus, concat_runs, make_response

T_R = 2.0


class Loudness(ek.FeatureExtractor):
    """Five numbers for each half second of a 40 Hz sound."""

    resample = "mean"

    def frames(self, stimulus):
        sound = 10 * stimulus.load_audio(40)
        values = sound[: sound.size // 20 * 20].reshape(-1, 5, 4).mean(axis=2)
        seconds = 0.25 + 0.5 * np.arange(len(values))
        return xr.DataArray(values, dims=("time", "feature"), coords={"seconds": ("time", seconds)})


@pytest.fixture(scope="session")
def reference(reference):
    return reference("ridge")


@pytest.fixture
def extractor():
    return Loudness()


def story(name, n_trs, seed, run=None, start=10.0):
    sound = np.random.default_rng(seed).standard_normal(int((start + n_trs * T_R) * 40))
    onsets = start + T_R * np.arange(n_trs)
    return Stimulus(name, sound.astype("f4"), 40, tr_times=onsets, t_r=T_R, run=run)


def respond(stimulus, features, weights, participant, rng, noise=1.0):
    rows = features.isel(time=features.run.values == stimulus.run_name).values
    values = rows @ weights + noise * rng.standard_normal((len(rows), weights.shape[1]))
    return make_response(
        values.astype("f4"),
        run=stimulus.run_name,
        stimulus=stimulus.name,
        participant=participant,
        tr_times=stimulus.grid,
        t_r=T_R,
        region=["A1", "A1", "V1"],
    )


@pytest.fixture
def cohort():
    """Return a function: stories and the responses of participants, 3 targets each, by run."""

    def build(n_stories=4, participants=("P1",), seed=0, noise=1.0, lengths=(30, 40, 35, 45)):
        rng = np.random.default_rng(seed)
        stories = [
            story(f"story-{k}", lengths[k % len(lengths)], seed=100 + k) for k in range(n_stories)
        ]
        features = ek.Delayer().transform(Loudness().transform(stories))
        weights = {
            p: 0.3 * rng.standard_normal((features.sizes["feature"], 3)) for p in participants
        }
        runs = [
            xr.concat(
                [respond(s, features, weights[p], p, rng, noise) for p in participants],
                "target", coords="minimal", compat="override", join="exact",
            )
            for s in stories
        ]  # fmt: skip
        return stories, RunList(runs)

    return build


@pytest.fixture
def labelled(cohort):
    """Return a function: delayed features and responses, each one DataArray."""

    def build(**keywords):
        stories, runs = cohort(**keywords)
        return ek.Delayer().transform(Loudness().transform(stories)), concat_runs(runs)

    return build


@pytest.fixture
def two_bands():
    """Return a function: features of two interleaved bands, targets, runs and bands."""

    def build(n_features=8, n_targets=4, seed=0, noise=2.0, n_rows=90):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((n_rows, n_features)) + 3
        Y = X @ rng.standard_normal((n_features, n_targets)) / np.sqrt(n_features) + 5
        Y += noise * rng.standard_normal(Y.shape)
        bands = np.where(np.arange(n_features) % 3 == 1, "speech", "mel")
        return X, Y, np.repeat(["a", "b", "c"], n_rows // 3), bands

    return build


@pytest.fixture
def banded(labelled):
    """Return a function: delayed features of two bands, and responses."""

    def build(**keywords):
        X, Y = labelled(**keywords)
        low = [name.endswith(("000", "001")) for name in X.coords["name"].values]
        return X.assign_coords(band=("feature", np.where(low, "low", "high"))), Y

    return build


@pytest.fixture
def quick():
    return ek.BandedRidgeCV(np.logspace(-1, 3, 5), search=ek.BandSearch(6))
