"""Layers of a pretrained speech model as features."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.data import Stimulus
from encodekit.features._backbones import (
    configuration_hash,
    load_backbone,
    wants_scaled,
    weights_hash,
)
from encodekit.features._encoding import (
    Frames,
    context_blocks,
    stream_blocks,
    transformer_blocks,
)
from encodekit.features._extractor import FeatureExtractor
from encodekit.features._lanczos import Lanczos
from encodekit.features._layers import pick_layers
from encodekit.features._loaded_model import LoadedModel
from encodekit.features._window_settings import Context, Streamed, Windows


class SpeechFeatures(LoadedModel, FeatureExtractor):
    """Hidden states of wav2vec2, HuBERT, WavLM, Whisper's encoder and the like, in one pass.

    Also read are XLS-R, MMS and Conformer of wav2vec2's kind, UniSpeech, UniSpeech-SAT,
    Data2VecAudio, and SEW, whose blocks see one frame every 40 ms.

    Layer 0 is the input of the first transformer block, layer k the output of block k (before a
    last layer norm that some models add, unless ``final_norm``); no block above the highest asked
    one is computed. A frame lies at the centre of what its convolutions see: 12.47 ms, then every
    20 ms (exactly, see `frame_times`); Whisper's frames lie at 0, 20, 40 ms and so on. Features are
    named ``layer3.017`` and carry ``layer``.

    Whisper fills what it encodes with silence to 30 s, whatever the window: nothing is cheaper
    for being shorter, and nothing may be longer.

    Needs ``encodekit[speech]`` (torch, transformers). Audio is resampled to the model's rate.

    Parameters
    ----------
    model : str or path
        A hub id (``"facebook/wav2vec2-base"``), a local folder, or the name of a registered
        backbone (``"whisper-tiny.en"``, ``"tiny"``).
    layer : int, list of int, "all" or None
        None is two thirds of the way up (8 of 12), where such models predict the brain best.
    windows : Streamed, Context or str
        How the audio is cut: `Streamed(chunk=30, overlap=8)` or `Context(length=16, stride=0.1)`,
        or the name of one with its defaults, ``"streamed"`` or ``"context"``.
    final_norm : bool
        Whether the last layer is given after the model's final layer norm: the
        ``last_hidden_state`` of its encoder in transformers (for Whisper ``hidden_states[-1]``
        too). Whisper, Conformer and models with ``do_stable_layer_norm`` have such a norm. Layers
        below are the same with and without.
    resample, history, cache
        As in `FeatureExtractor`; the cache is on.
    device : str, optional
        Of torch; the GPU where there is one, else the CPU.
    batch_size : int, optional
        Windows per forward pass; 60 s of audio if not given.

    Raises
    ------
    ValueError, BackboneNotFoundError, ImportError
        In ``transform``: an unknown layer or short name, a model that is nowhere or has no final
        norm, a missing extra; each says what to do.

    Examples
    --------
    >>> SpeechFeatures("facebook/wav2vec2-base", layer=[4, 8])
    SpeechFeatures(layer=[4, 8])
    """

    cache: str | Path | None = "auto"
    _same_result = ("cache", "history", "device", "batch_size")

    def __init__(
        self,
        model: str | Path = "facebook/wav2vec2-base",
        layer: int | Sequence[int] | str | None = None,
        *,
        windows: Windows | str = Streamed(),
        final_norm: bool = False,
        resample: str | Lanczos = "lanczos",
        device: str | None = None,
        history: float = 16.0,
        cache: str | Path | None = "auto",
        batch_size: int | None = None,
    ) -> None:
        self.model = model
        self.layer = layer
        self.windows = windows
        self.final_norm = final_norm
        self.resample = resample
        self.device = device
        self.history = history
        self.cache = cache
        self.batch_size = batch_size

    def frames(self, stimulus: Stimulus) -> xr.DataArray:
        """Return the frames (time, feature) of one stimulus."""
        blocks = list(self.frame_blocks(stimulus))
        return blocks[0] if len(blocks) == 1 else xr.concat(blocks, "time")

    def frame_blocks(self, stimulus: Stimulus) -> Iterator[xr.DataArray]:
        """Yield the frames window by window, so that a long story needs little memory."""
        model, extractor = self._loaded()
        layers = pick_layers(self.layer, len(transformer_blocks(model)))
        rate = int(extractor.sampling_rate)
        for seconds, hidden in self._encoded(model, stimulus.load_audio(rate), layers, rate):
            yield _as_frames(seconds, hidden)

    def weights_hash(self) -> str:
        """Return the sha256 of the model's weights."""
        model, _ = self._loaded()
        return self._kept_hash(lambda: weights_hash(model))

    def _encoded(
        self, model: Any, waveform: NDArray[np.float32], layers: list[int], rate: int
    ) -> Iterator[Frames]:
        normalise = wants_scaled(self._loaded()[1])
        windows = self.setting("windows")
        if isinstance(windows, Streamed):
            return stream_blocks(
                model, waveform, layers, rate=rate, chunk=windows.chunk, overlap=windows.overlap,
                normalise=normalise, batch_size=self.batch_size, final_norm=self.final_norm,
            )  # fmt: skip
        if isinstance(windows, Context):
            return context_blocks(
                model, waveform, layers, rate=rate, context=windows.length, stride=windows.stride,
                normalise=normalise, batch_size=self.batch_size, final_norm=self.final_norm,
            )  # fmt: skip
        raise ValueError(
            f"windows={windows!r} are of tuning: pass windows=Streamed(...) or Context(...)"
        )

    def _described(self) -> dict[str, Any]:
        windows = self.setting("windows").reading()
        told = configuration_hash(*self._loaded())
        return super()._described() | {"windows": windows, "configuration": told}

    def _loaded(self) -> tuple[Any, Any]:
        pair: tuple[Any, Any] = self._kept_model(_load)
        return pair


def _load(name: Any, device: str) -> tuple[Any, Any]:
    model, extractor = load_backbone(name)
    return model.to(device), extractor


def _as_frames(
    seconds: NDArray[np.float64], hidden: dict[int, NDArray[np.float32]]
) -> xr.DataArray:
    size = next(iter(hidden.values())).shape[1]
    width = max(3, len(str(size - 1)))
    names = [f"layer{layer}.{i:0{width}d}" for layer in hidden for i in range(size)]
    return xr.DataArray(
        np.concatenate(list(hidden.values()), axis=1),
        dims=("time", "feature"),
        coords={
            "seconds": ("time", seconds),
            "name": ("feature", names),
            "layer": ("feature", np.repeat(list(hidden), size)),
        },
    )
