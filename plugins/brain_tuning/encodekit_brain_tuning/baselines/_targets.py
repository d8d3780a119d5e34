"""Baselines: what else than the fMRI of several people a model may be tuned on.

Each gives targets that `BrainTunedFeatures` takes in the place of responses, so that a baseline
has the same trainer, budget, windows and early stop as the model it is held against:

    tuned.fit(stimuli, acoustic_targets(stimuli), validation=(others, acoustic_targets(others)))

A baseline of one participant is ``study.responses(participants=["P1"])``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from encodekit import Delayer, FeatureExtractor, MelSpectrogram, RunScaler, TextFeatures
from encodekit.data import RunList, Stimulus, make_response, split_runs
from encodekit.features import read_pretrained
from encodekit_brain_tuning.backbones import haemodynamic_weights


def acoustic_targets(stimuli: Sequence[Stimulus], n_mels: int = 32) -> RunList:
    """Return mel bands as if somebody's targets followed them, one response per run.

    Parameters
    ----------
    stimuli : list of Stimulus
    n_mels : int

    Returns
    -------
    RunList of DataArray (time, target)
        Participant ``acoustics``; see `feature_targets`.
    """
    return feature_targets(MelSpectrogram(n_mels, history=16.0), stimuli, "acoustics")


def language_model_targets(
    stimuli: Sequence[Stimulus], model: str | Path, layer: Any = None, **parameters: Any
) -> RunList:
    """Return layers of a causal language model as if somebody's targets followed them.

    The model reads the words that are spoken (``Stimulus.words``), see `encodekit.TextFeatures`.

    Parameters
    ----------
    stimuli : list of Stimulus
    model : str or path
        A folder, or a hub id.
    layer : None, int or list of int
        18/32 to 24/32 of the depth if not given: layers 18 to 24 of Llama2-7B, as published.
    **parameters
        Of `encodekit.TextFeatures`, such as ``lookback``.

    Returns
    -------
    RunList of DataArray (time, target)
        Participant ``language-model``; see `feature_targets`.
    """
    layers = _published_layers(model) if layer is None else layer
    extractor = TextFeatures(model, layers, at="onset", **parameters)
    return feature_targets(extractor, stimuli, "language-model")


def _published_layers(model: str | Path) -> list[int]:
    from transformers import AutoConfig

    n_layers = int(read_pretrained(AutoConfig, str(model)).num_hidden_layers)
    return list(range(round(n_layers * 18 / 32), round(n_layers * 24 / 32) + 1))


def feature_targets(
    extractor: FeatureExtractor, stimuli: Sequence[Stimulus], participant: str
) -> RunList:
    """Return features in the shape of fMRI, with the fixed haemodynamic delay of streamed windows.

    Features are z-scored within each run, then ``y(t) = sum_k w_k x(t - k)`` with the weights w
    of 0 to 8 s by which streamed windows pool frames. Before the audio begins a feature counts
    as its mean.

    Parameters
    ----------
    extractor : FeatureExtractor
        With at least 8 s of ``history``, or stimuli that are scanned from their start.
    stimuli : list of Stimulus
    participant : str
        The name that the targets go by.
    """
    features = RunScaler().fit_transform(extractor.transform(stimuli))
    names = [f"{participant}/{name}" for name in features["name"].values]
    heard = {stimulus.run_name: stimulus for stimulus in stimuli}
    return RunList(
        _as_response(run, heard[str(run["run"].values[0])], participant, names)
        for run in split_runs(features)
    )


def _as_response(
    run: xr.DataArray, stimulus: Stimulus, participant: str, names: list[str]
) -> xr.DataArray:
    weights = haemodynamic_weights(float(stimulus.t_r or 0))
    delayed = Delayer(delays=list(range(weights.size))).fit_transform(run)
    lagged = delayed.values.reshape(delayed.sizes["time"], weights.size, -1)
    values = np.einsum("l,tlf->tf", weights, lagged)
    return make_response(
        values.astype(np.float32),
        run=stimulus.run_name,
        participant=participant,
        stimulus=stimulus.name,
        tr_times=stimulus.grid,
        t_r=float(stimulus.t_r or 0),
        target=names,
        sample_offset=stimulus.offset,
    )
