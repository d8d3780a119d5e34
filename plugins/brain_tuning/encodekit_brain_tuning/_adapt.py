"""A new participant's head on a tuned backbone that stays as it is."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from encodekit.data import RunList, Stimulus, concat_runs
from encodekit_brain_tuning._clips import EqualLengthBatches, TuningClips, WindowSettings, to_device
from encodekit_brain_tuning._heads import IndividualHead
from encodekit_brain_tuning._model import TuningModel
from encodekit_brain_tuning._participants import (
    RunTargets,
    SharedTargets,
    align,
    is_native,
    target_keys,
)
from encodekit_brain_tuning._ridge_start import Rows, best_alpha, collect_rows, weighted_ridge
from encodekit_brain_tuning._stem_cache import StemCache
from encodekit_brain_tuning._tuning_data import Runs


class AdaptedHead:
    """Heads of participants that a model was not tuned on.

    ``y_p = prior + z W_p + b_p``: ``prior`` is what the tuned head predicts for somebody it does
    not know, where it has the target (else 0), ``z`` the standardised features of the tuned
    model, and ``W_p`` a ridge solution, so that with few stories a head stays near the prior. The
    penalty is the one with the least error on runs left out, one for all.

    Attributes
    ----------
    participants_ : tuple of str
    targets_ : tuple of str
        Keys of the targets, as in `BrainTunedFeatures`.
    alpha_ : float
    """

    def __init__(
        self, model: TuningModel, cut: WindowSettings, stems: StemCache, batch_size: int
    ) -> None:
        self.model, self.cut, self.stems, self.batch_size = model, cut, stems, batch_size

    def fit(self, runs: Runs, tuned_keys: Sequence[str] | None, *, z_score: bool) -> "AdaptedHead":
        """Fit the heads on ``runs``; ``tuned_keys`` name what the tuned head predicts."""
        self.places = align(runs.responses, runs.n_trs, z_score=z_score, own_targets=True)
        self.participants_, self.targets_ = self.places.participants, self.places.keys
        if not self.targets_:
            raise ValueError(
                "adaptation: the responses hold none of the targets that the model was tuned on: "
                "pass them in the same space, or set_params(targets=None) to take all"
            )
        self.template = _targets_of(runs.responses)
        native = any(is_native(run) for run in runs.responses)
        self.prior = _same_keys(self.places, None if native else tuned_keys)
        clips = TuningClips(runs.stimuli, self.places, self.model.backbone, self.cut, self.stems)
        rows = collect_rows(self.model, clips, self.batch_size, apart=True)
        head = IndividualHead(rows.pooled.shape[1], self.places.n_slots, len(self.participants_))
        head.set_statistics(rows.pooled, rows.coverage)
        x = head.standardise(rows.pooled, rows.coverage).double().numpy()
        left = replace(rows, true=rows.true - self._prior_of(rows))
        self.alpha_ = best_alpha(x, left)
        found = [
            weighted_ridge(x, true, weights, [self.alpha_])[0]
            for true, weights in zip(left.true, left.weights, strict=True)
        ]
        weights, bias = (torch.from_numpy(np.stack(part)) for part in zip(*found, strict=True))
        head.start_from(weights, bias, rows.pooled)
        self.head = head.eval()
        return self

    @torch.no_grad()
    def predict(self, X: Sequence[Stimulus]) -> xr.DataArray:
        """Return the fMRI (time, target) of every participant, z-scored as the tuning's was.

        TRs whose history the windows do not hold are NaN.
        """
        parts = [self._predicted(stimulus) for stimulus in X]
        joined: xr.DataArray = concat_runs(parts)
        return joined

    def _prior_of(self, rows: Rows) -> NDArray[np.float64]:
        return self._prior(rows.pooled, rows.coverage).double().numpy()

    @torch.no_grad()
    def _prior(self, pooled: Tensor, coverage: Tensor) -> Tensor:
        """Return (1, n_rows, n_targets)."""
        ours, theirs = self.prior
        prior = torch.zeros(len(pooled), self.places.n_slots)
        if len(ours):
            device = self.model.backbone.device
            known = self.model.head(pooled.to(device), coverage.to(device))[0].float().cpu()
            prior[:, ours] = known[:, theirs]
        return prior[None]

    def _predicted(self, stimulus: Stimulus) -> xr.DataArray:
        run = stimulus.run_name
        any_target = _everything(run, stimulus.n_trs)
        clips = TuningClips([stimulus], any_target, self.model.backbone, self.cut, self.stems)
        shape = (len(self.participants_), stimulus.n_trs, self.places.n_slots)
        values = torch.full(shape, torch.nan)
        for indices in EqualLengthBatches(clips, self.batch_size):
            batch = to_device(clips.batch(indices), self.model.backbone.device)
            pooled, coverage = self.model.pool(batch["frames"], batch["mixing"])
            for place, index in enumerate(indices):
                rows = clips.clips[index].rows
                z, c = (part[place, : rows.size].cpu() for part in (pooled, coverage))
                everybody = torch.arange(len(self.participants_))
                values[:, rows] = self.head(z, c, everybody) + self._prior(z, c)
        people = {person: number for number, person in enumerate(self.participants_)}
        columns = [
            values[people[person], :, self.places.place(person, key)].numpy()
            for person, key in target_keys(self.template)
        ]
        return xr.DataArray(
            np.stack(columns, axis=1),
            dims=("time", "target"),
            coords={
                "run": ("time", np.full(stimulus.n_trs, run)),
                "stimulus": ("time", np.full(stimulus.n_trs, stimulus.name)),
                "tr": ("time", np.arange(stimulus.n_trs)),
                "seconds": ("time", stimulus.grid),
                **self.template.coords,
            },
            attrs={
                **self.template.attrs,
                "t_r": float(stimulus.t_r or 0),
                "sample_offset": stimulus.offset,
            },
        )


def _targets_of(runs: RunList) -> xr.DataArray:
    """Return one row of all targets of the runs, each once, with their coordinates."""
    rows: list[Any] = [run.isel(time=0, drop=True).drop_vars(
        ["run", "stimulus", "tr", "seconds"], errors="ignore") for run in runs]  # fmt: skip
    joined = xr.concat(rows, "target", combine_attrs="override")
    once: xr.DataArray = joined.isel(target=~joined.indexes["target"].duplicated())
    return once


def _same_keys(
    places: SharedTargets, tuned_keys: Sequence[str] | None
) -> tuple[list[int], list[int]]:
    """Places of the targets that both have, here and in the tuned head."""
    if tuned_keys is None:
        return [], []
    theirs = {key: number for number, key in enumerate(tuned_keys)}
    both = [(n, theirs[key]) for n, key in enumerate(places.keys) if key in theirs]
    return [ours for ours, _ in both], [other for _, other in both]


def _everything(run: str, n_trs: int) -> SharedTargets:
    """One target that somebody has in every TR, so that no clip is left out."""
    whole = np.ones((1, n_trs, 1), np.float32)
    targets = RunTargets(whole, whole, np.ones((1, n_trs), bool), np.zeros(n_trs))
    return SharedTargets(("any",), ("anybody",), {run: targets})
