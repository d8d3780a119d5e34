"""A second plugin that fine-tunes on fMRI, written with the public names of encodekit alone."""

import ast
import hashlib
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from sklearn.exceptions import NotFittedError

import encodekit as ek
from encodekit.reports import Section
from encodekit.testing import (
    PluginHarness,
    check_feature_extractor,
    check_loss,
    small_study,
)

encodekit_api = 1
HRF = torch.tensor([0.0, 0.1, 0.4, 0.35, 0.15])  # at 0, 2, ... 8 s


@ek.hookimpl
def encodekit_features():
    yield ek.FeatureSpec("band-tuned", load=f"{__name__}:BandTuned", summary="tuned mix of bands")


@ek.hookimpl
def encodekit_losses():
    yield ek.LossSpec("absolute", load=f"{__name__}:absolute", summary="mean absolute error")


@ek.hookimpl
def encodekit_panels():
    yield ek.PanelSpec("tuning", load=f"{__name__}:panel", summary="what tuning weighed")


@ek.hookimpl
def encodekit_commands():
    yield ek.CommandSpec("tune-bands", load=f"{__name__}:command", summary="Tune a mix of bands.")


def absolute(predicted, true, mask):
    """Mean absolute error."""
    there = torch.where(mask > 0, true, 0.0)
    apart = (predicted - there).abs()
    return (mask * apart).sum() / (mask * torch.ones_like(apart)).sum().clamp_min(1)


def panel(result):
    """Say what tuning weighed."""
    return Section("Tuning", f"Weights {result.weights_.round(2).tolist()}.")


def command(study: str) -> None:
    """Tune a mix of bands on a study."""
    whole = ek.load_study(study)
    BandTuned().fit(whole.stimuli, whole.responses())


def bands(stimulus):
    """Return log power in 6 bands of each second, z-scored (second, band)."""
    sound = stimulus.load_audio(16_000)
    seconds = sound[: sound.size // 16_000 * 16_000].reshape(-1, 16_000)
    power = np.abs(np.fft.rfft(seconds, axis=1)) ** 2
    edges = np.geomspace(60, 4000, 7).astype(int)
    parts = pairwise(edges)
    logs = np.log10([power[:, a:b].sum(axis=1) + 1e-6 for a, b in parts]).T
    return (logs - logs.mean(axis=0)) / (logs.std(axis=0) + 1e-6)


class BandTuned(ek.FeatureExtractor):
    """Log power in bands, mixed by weights that ``fit`` learns by gradient descent on fMRI.

    Parameters
    ----------
    loss : str
        A registered loss.
    targets : region selector, optional
        Whose responses tune; all if not given.
    epochs : int
    history, resample, cache
        As in `encodekit.FeatureExtractor`.

    Attributes
    ----------
    weights_ : array (band, 2)
    losses_ : list of float
    """

    resample = "mean"

    def __init__(
        self, loss="absolute", targets=None, epochs=80, history=8.0, resample="mean", cache=None
    ):
        self.loss = loss
        self.targets = targets
        self.epochs = epochs
        self.history = history
        self.resample = resample
        self.cache = cache

    def fit(self, X, y):
        loss = ek.make_loss(self.loss)
        heard = [self._heard(stimulus) for stimulus in X]
        runs = [self.targets.transform(run) if self.targets else run for run in y]
        true = [torch.tensor(run.values, dtype=torch.float32) for run in runs]
        random = torch.Generator().manual_seed(0)
        weights = (0.1 * torch.randn(6, 2, generator=random)).requires_grad_()
        head = (0.1 * torch.randn(2, true[0].shape[1], generator=random)).requires_grad_()
        optimizer = torch.optim.Adam([weights, head], lr=0.05)
        self.losses_ = []
        for _ in range(self.epochs):
            parts = [
                loss(one @ weights @ head, other, (~other.isnan()).float())
                for one, other in zip(heard, true, strict=True)
            ]
            total = torch.stack(parts).mean()
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            self.losses_.append(float(total.detach()))
        self.weights_ = weights.detach().numpy().copy()
        return self

    def weights_hash(self):
        return hashlib.sha256(self._learnt().tobytes()).hexdigest()

    def frames(self, stimulus):
        mixed = bands(stimulus) @ self._learnt()
        return xr.DataArray(
            mixed.astype("float32"),
            dims=("time", "feature"),
            coords={
                "seconds": ("time", np.arange(len(mixed)) + 0.5),
                "name": ("feature", ["mix-0", "mix-1"]),
            },
        )

    def _learnt(self):
        if not hasattr(self, "weights_"):
            raise NotFittedError("BandTuned is not tuned yet: call fit(stimuli, responses)")
        return self.weights_

    def _heard(self, stimulus):
        """Return the bands on the grid of the TRs, after the haemodynamic response."""
        values = bands(stimulus)[: 2 * stimulus.n_trs].reshape(stimulus.n_trs, 2, -1).mean(axis=1)
        late = [np.convolve(column, HRF)[: stimulus.n_trs] for column in values.T]
        return torch.tensor(np.stack(late, axis=1), dtype=torch.float32)


@pytest.fixture
def plugin():
    with PluginHarness().add(sys.modules[__name__], name="second-tuner") as harness:
        assert harness["second-tuner"].cause is None
        yield harness


@pytest.fixture(scope="module")
def parts():
    study = small_study(n_stories=6, missing=True)
    return study.split(
        tune=["story-1", "story-2"], fit=["story-3", "story-4", "story-5"], test=["story-6"]
    )


def test_it_registers_all_that_tuning_needs(plugin):
    kinds = [kind for kind, _ in plugin["second-tuner"].records]
    assert sorted(kinds) == ["commands", "features", "losses", "panels"]


def test_it_imports_public_names_alone():
    names = [
        node.module if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(ast.parse(Path(__file__).read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    ours = {name for name in names if name.startswith("encodekit")}
    assert ours == {"encodekit", "encodekit.reports", "encodekit.testing"}


def test_it_keeps_the_contracts(plugin):
    study = small_study(n_stories=2, seconds=16.0)
    assert len(check_feature_extractor(ek.make_features("band-tuned", epochs=3), study)) == 21
    assert len(check_loss(ek.make_loss("absolute"))) == 10


def test_tuned_on_a_region_of_one_person_it_is_a_step_of_another_persons_pipeline(plugin, parts):
    late = ek.make_regions("named", regions=["STSdp"])
    tuned = ek.make_features("band-tuned", targets=late)
    tuned.fit(parts.tune.stimuli, parts.tune.responses(participants=["P1"]))
    assert tuned.losses_[-1] < 0.9 * tuned.losses_[0]
    delayer = ek.Delayer(seconds=[2, 4, 6])
    ridge = ek.RidgeCV(np.logspace(-3, 3, 7))
    X, test = (delayer.fit_transform(tuned.transform(p.stimuli)) for p in (parts.fit, parts.test))
    ridge.fit(X, parts.fit.responses(participants=["P2"]))
    scores = ek.correlation(parts.test.responses(participants=["P2"]), ridge.predict(test))
    assert set(scores.participant.values) == {"P2"}
    assert np.isfinite(scores).all()


def test_its_panel_is_a_section(plugin, parts):
    tuned = ek.make_features("band-tuned", epochs=1)
    tuned.fit(parts.tune.stimuli, parts.tune.responses(participants=["P1"]))
    section = plugin.registry.load("panels", "tuning")(tuned)
    assert section.title == "Tuning"
