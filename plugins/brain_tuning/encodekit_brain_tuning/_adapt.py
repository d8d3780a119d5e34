"""A new participant's head on a tuned backbone that stays as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from torch import Tensor

from encodekit.core import SealedFolder
from encodekit.data import RunList, Stimulus, concat_runs
from encodekit.saving import load, save
from encodekit_brain_tuning.heads import IndividualHeadModule
from encodekit_brain_tuning.targets import (
    KeySelector,
    RunTargets,
    SharedTargets,
    align,
    is_native,
    match_runs,
    target_keys,
)
from encodekit_brain_tuning.training import (
    EqualLengthBatches,
    Rows,
    TuningClips,
    best_alpha,
    collect_rows,
    to_device,
    weighted_ridge,
)


class AdaptedHead(BaseEstimator):
    """Heads of participants that a model was not tuned on; `BrainTunedFeatures.adapt` makes them.

    ``y_p = prior + z W_p + b_p``: ``prior`` is what the tuned head predicts for somebody it does
    not know, where it has the target (else 0), ``z`` the standardised features of the tuned
    model, and ``W_p`` a ridge solution, so that with few stories a head stays near the prior. The
    penalty is the one with the least error on runs left out, one for all.

    Parameters
    ----------
    tuned : BrainTunedFeatures or its ``frozen()``
        Fitted; it stays as it is.

    Attributes
    ----------
    participants_ : tuple of str
    targets_ : tuple of str
        Keys of the targets, as in `BrainTunedFeatures`.
    alpha_ : float
    """

    def __init__(self, tuned: Any) -> None:
        self.tuned = tuned

    def fit(self, X: Sequence[Stimulus], y: Any) -> Self:
        """Fit a head for each participant of ``y``, see `BrainTunedFeatures.adapt`."""
        model, settings = self.tuned._fitted_model(), self.tuned.settings()
        tuned_keys = self.tuned.targets_
        # what the tuning runs decided is not decided anew by others' runs
        learnt = self.tuned.tuned_.facts.selector_learns
        chosen = KeySelector(tuned_keys) if learnt else settings.targets
        self.tuned.warn_if_tuned_on(X)
        runs = match_runs(X, y, chosen, "adaptation")
        self.places = align(
            runs.responses, runs.n_trs, z_score=settings.participants.z_score, own_targets=True
        )
        self.participants_, self.targets_ = self.places.participants, self.places.keys
        if not self.targets_:
            raise ValueError(
                "adaptation: the responses hold none of the targets that the model was tuned on: "
                "pass them in the same space, or set_params(targets=None) to take all"
            )
        self.template = _targets_of(runs.responses)
        strange = any(is_native(run) for run in runs.responses)
        strange |= len(tuned_keys) != self.tuned.n_targets_
        self.prior = _same_keys(self.places, None if strange else tuned_keys)
        clips = self._clips(runs.stimuli, self.places)
        batch_size = settings.training.batch_size
        self._start(collect_rows(model, clips, batch_size, apart=True))
        return self

    def save(self, path: str | Path) -> Path:
        """Write the heads and the tuned model to a folder: JSON, safetensors, no pickle.

        The pretrained backbone is named, not copied, as in `BrainTunedFeatures.save`.
        """
        self._check_fitted()
        return save(self, path, classes=[AdaptedHead])

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        moved: Mapping[str | Path, str | Path] | None = None,
        classes: Sequence[Any] = (),
    ) -> Self:
        """Return the heads saved in a folder, every file verified against its manifest.

        Parameters
        ----------
        path : path
        moved : mapping of str or path to str or path, optional
            Where the backbone is now, see `encodekit.load`.
        classes : sequence of classes and functions, optional
            Heads, strategies, updates and losses of your own that the model was tuned with.

        Raises
        ------
        FileNotFoundError
            Where there is no saved model, or its writing never ended.
        ValueError
            Where a file is damaged, the folder holds something else, or the backbone has other
            weights.
        """
        loaded = load(path, classes=[AdaptedHead, *classes], moved=moved)
        if not isinstance(loaded, cls):
            raise ValueError(
                f"folder {str(path)!r} holds a {type(loaded).__name__}, expected an "
                f"{cls.__name__}: ek.load(path) reads it"
            )
        return loaded

    def _save_state(self, _folder: Path) -> dict[str, Any]:
        """Return what was fitted as values that `encodekit.save` packs."""
        self._check_fitted()
        slots = self.places.slots
        return {
            "participants": self.participants_,
            "targets": self.targets_,
            "slots": None if slots is None else [(*whose, n) for whose, n in slots.items()],
            "prior": self.prior,
            "template": self.template,
            "alpha": self.alpha_,
            "head": {name: part.numpy() for name, part in self.head.state_dict().items()},
        }

    def _load_state(self, _folder: SealedFolder, state: Mapping[str, Any]) -> None:
        slots = state["slots"]
        self.participants_, self.targets_ = state["participants"], state["targets"]
        self.places = SharedTargets(
            self.targets_, self.participants_, {},
            None if slots is None else {(person, key): n for person, key, n in slots},
        )  # fmt: skip
        self.prior, self.template, self.alpha_ = state["prior"], state["template"], state["alpha"]
        tensors = {name: torch.from_numpy(part) for name, part in state["head"].items()}
        n_participants, n_features, n_targets = tensors["weight"].shape
        with torch.random.fork_rng(devices=[]):
            head = IndividualHeadModule(n_features, n_targets, n_participants)
        head.load_state_dict(tensors)
        self.head = head.eval()

    def _check_fitted(self) -> None:
        if not hasattr(self, "head"):
            raise NotFittedError(
                "this AdaptedHead is not fitted yet: call fit(stimuli, responses), or "
                "AdaptedHead.load(path)"
            )

    @torch.no_grad()
    def predict(self, X: Sequence[Stimulus]) -> xr.DataArray:
        """Return the fMRI (time, target) of every participant, z-scored as the tuning's was.

        TRs whose history the windows do not hold are NaN.
        """
        self._check_fitted()
        parts = [self._predicted(stimulus) for stimulus in X]
        joined: xr.DataArray = concat_runs(parts)
        return joined

    def _start(self, rows: Rows) -> None:
        """Make the heads, each the ridge solution of what the prior leaves."""
        head = IndividualHeadModule(
            rows.pooled.shape[1], self.places.n_slots, len(self.participants_)
        )
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

    def _clips(self, stimuli: list[Stimulus], targets: SharedTargets) -> TuningClips:
        made: TuningClips = self.tuned.settings().clips(
            stimuli, targets, self.tuned._fitted_model()
        )
        return made

    def _prior_of(self, rows: Rows) -> NDArray[np.float64]:
        return self._prior(rows.pooled, rows.coverage).double().numpy()

    @torch.no_grad()
    def _prior(self, pooled: Tensor, coverage: Tensor) -> Tensor:
        """Return (1, n_rows, n_targets)."""
        ours, theirs = self.prior
        prior = torch.zeros(len(pooled), self.places.n_slots)
        if len(ours):
            model = self.tuned._fitted_model()
            device = model.backbone.device
            known = model.head(pooled.to(device), coverage.to(device))[0].float().cpu()
            prior[:, ours] = known[:, theirs]
        return prior[None]

    def _predicted(self, stimulus: Stimulus) -> xr.DataArray:
        run = stimulus.run_name
        any_target = _everything(run, stimulus.n_trs)
        clips = self._clips([stimulus], any_target)
        model, batch_size = self.tuned._fitted_model(), self.tuned.settings().training.batch_size
        shape = (len(self.participants_), stimulus.n_trs, self.places.n_slots)
        values = torch.full(shape, torch.nan)
        for indices in EqualLengthBatches(clips.n_frames, batch_size):
            batch = to_device(clips.batch(indices), model.backbone.device)
            pooled, coverage = model.pool(batch["frames"], batch["pooling_weights"])
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
