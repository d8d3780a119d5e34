"""Frames of a tuned model, from the same windows as in tuning."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from encodekit.features import pick_layers, stream_windows
from encodekit_brain_tuning.backbones._backbone import Backbone
from encodekit_brain_tuning.backbones._stem_cache import stem_outputs
from encodekit_brain_tuning.backbones._windows import Floats, Pooling, exact_bounds

Blocks = Iterator[tuple[Floats, NDArray[np.float32]]]


def chosen_layers(layer: Any, backbone: Backbone) -> list[int]:
    """Return the layers that ``layer`` means, as elsewhere; None is never above the pooled one.

    No block above the pooled layer is tuned.
    """
    layers = pick_layers(layer, backbone.n_layers)
    return [min(layers[0], backbone.pooled_layer)] if layer is None else layers


def streamed_blocks(
    backbone: Backbone,
    audio: NDArray[np.float32],
    layers: Sequence[int],
    chunk: float,
    overlap: float,
) -> Blocks:
    """Yield (seconds, values) of one window after the other, the frames that are new in it."""
    for start, stop, keep_from in stream_windows(audio.size, backbone.rate, chunk, overlap):
        values = encode(backbone, audio, [(start, stop)], layers)[0]
        new = backbone.grid.n_frames(keep_from - start)
        yield backbone.grid.centres(start, stop)[new:], values[new:]


def exact_blocks(
    backbone: Backbone,
    audio: NDArray[np.float32],
    times: Floats,
    t_r: float,
    layers: Sequence[int],
    batch_size: int,
    pooling: Pooling,
) -> Blocks:
    """Yield (seconds, values) of some TRs at a time, each pooled over its own 10 s.

    ``times`` are the TRs' sample times; the clip ends half a TR later. What ``"haemodynamic"``
    pools is the TR alone: its delays come after.
    """
    spans = [exact_bounds(audio.size, backbone.rate, time - t_r / 2, t_r) for time in times]
    counted = {"mean": None, "last": 1}.get(
        pooling, max(1, round(t_r * backbone.rate / backbone.grid.stem.stride))
    )
    for first in range(0, len(spans), batch_size):
        some = slice(first, first + batch_size)
        clips = encode(backbone, audio, spans[some], layers)
        newest = slice(None) if counted is None else slice(-counted, None)
        yield times[some], np.stack([clip[newest].mean(axis=0) for clip in clips])


@torch.no_grad()
def encode(
    backbone: Backbone,
    audio: NDArray[np.float32],
    spans: Sequence[tuple[int, int]],
    layers: Sequence[int],
) -> list[NDArray[np.float32]]:
    """Return the layers of each span of samples, (n_frames, n_layers * n_features)."""
    found: dict[int, NDArray[np.float32]] = {}
    for index, frames in stem_outputs(backbone, audio, spans):
        hidden = backbone.layers(frames[None].to(backbone.device), layers)
        start, stop = spans[index]
        found[index] = (
            torch.cat(hidden, dim=-1)[0, : backbone.grid.n_frames(stop - start)].cpu().numpy()
        )
    return [found[index] for index in range(len(spans))]


def as_frames(seconds: Floats, values: NDArray[np.float32], layers: Sequence[int]) -> xr.DataArray:
    """Return values (n_frames, n_layers * n_units) with ``seconds``, ``name`` and ``layer``."""
    n_units = values.shape[1] // len(layers)
    width = max(3, len(str(n_units - 1)))
    names = [f"layer{layer}.{unit:0{width}d}" for layer in layers for unit in range(n_units)]
    return xr.DataArray(
        values,
        dims=("time", "feature"),
        coords={
            "seconds": ("time", seconds),
            "name": ("feature", names),
            "layer": ("feature", np.repeat(layers, n_units)),
        },
    )
