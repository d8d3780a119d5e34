"""Encode waveforms with a speech model of transformers: arrays in, arrays out.

The stems of wav2vec2-base and HuBERT-base normalise over the whole time of a clip (group norm),
so features depend on a clip's length: clips of one batch are equally long and nothing is padded.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from encodekit.features._frames import Stem, frame_times
from encodekit.features._layers import check_layers
from encodekit.features._windows import context_windows, stream_windows

if TYPE_CHECKING:
    import torch

Frames = tuple[NDArray[np.float64], dict[int, NDArray[np.float32]]]
READ = (
    "wav2vec2 (also XLS-R, MMS and Conformer), HuBERT, WavLM, UniSpeech, UniSpeech-SAT, "
    "Data2VecAudio, SEW and Whisper (as load_backbone gives it)"
)
_ALWAYS_NORMED = ("whisper", "wav2vec2-conformer")  # others only with do_stable_layer_norm
_AT_ONCE = 60.0  # s of audio in one forward pass, unless a batch size is given


def transformer_blocks(model: Any) -> Any:
    """Return the transformer blocks (a ModuleList) of a wav2vec2-like model.

    Works through a head (ForCTC) and through peft.

    Raises
    ------
    TypeError
        If the model has none.
    """
    return _encoder(model).layers


def _encoder(model: Any) -> Any:
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    inner = getattr(inner, getattr(inner, "base_model_prefix", ""), inner)
    encoder = getattr(inner, "encoder", None)
    if not hasattr(encoder, "layers") or not hasattr(inner, "feature_extractor"):
        takes = getattr(inner, "main_input_name", "input_values")
        why = f" (it takes {takes}, not samples)" if takes != "input_values" else ""
        raise TypeError(
            f"{type(model).__name__} has no convolutional stem with encoder.layers above it{why}: "
            f"encodekit reads {READ}"
        )
    return encoder


def has_last_norm(config: Any) -> bool:
    """Tell whether models of a configuration have a layer norm above their last block."""
    always = config.model_type in _ALWAYS_NORMED
    return always or bool(getattr(config, "do_stable_layer_norm", False))


def last_norm(model: Any) -> Any:
    """Return the layer norm that a model has above its last transformer block.

    Raises
    ------
    ValueError
        If it has none.
    """
    config, encoder = model.config, _encoder(model)
    if has_last_norm(config):
        return encoder.layer_norm
    raise ValueError(
        f"final_norm=True: {type(model).__name__} has no norm above its last block "
        f"(model_type {config.model_type!r}): leave final_norm=False"
    )


def layer_outputs(
    model: Any, clips: "torch.Tensor", layers: Sequence[int], *, final_norm: bool = False
) -> "dict[int, torch.Tensor]":
    """Return the hidden states (clip, frame, hidden) of each asked layer, from one pass.

    Layer 0 is the input of the first transformer block, layer k the output of block k (before a
    last layer norm that some models add). No block above the highest asked one is computed.
    Gradients flow, and dropout is as the model's mode says.

    Parameters
    ----------
    model : transformers model
    clips : tensor (clip, sample)
        Normalised waveforms of equal length.
    layers : sequence of int
    final_norm : bool
        Whether the last block's output is given after the layer norm above it: the encoder's
        ``last_hidden_state`` in transformers.

    Raises
    ------
    ValueError
        For a layer that the model does not have, or a norm that it does not have.
    """
    blocks = transformer_blocks(model)
    check_layers(layers, len(blocks))
    norm = last_norm(model) if final_norm else None
    if norm is not None and max(layers) < len(blocks):
        raise ValueError(
            f"final_norm=True is of layer {len(blocks)}, the last, and layers {list(layers)} are "
            f"asked: ask for layer={len(blocks)} or 'all', or leave final_norm=False"
        )
    found: dict[int, torch.Tensor] = {}
    with ExitStack() as hooks:
        for layer in sorted(set(layers)):
            handle = _hook(blocks, layer, found, alone=max(layers) == 0)
            hooks.callback(handle.remove)
        hooks.enter_context(_without_blocks_above(model, max(layers)))
        with suppress(_LayerReachedError):
            model(clips)
    if norm is not None and len(blocks) in found:
        found[len(blocks)] = norm(found[len(blocks)])
    return {layer: found[layer] for layer in layers}


class _LayerReachedError(Exception):
    """Layer 0 is there, and no block need be computed."""


def _hook(blocks: Any, layer: int, found: dict[int, Any], *, alone: bool) -> Any:
    def before(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found[0] = args[0] if args else kwargs["hidden_states"]
        if alone:
            raise _LayerReachedError

    def after(*called: Any) -> None:
        hidden = called[-1]
        found[layer] = hidden[0] if isinstance(hidden, tuple) else hidden

    if layer == 0:
        return blocks[0].register_forward_pre_hook(before, with_kwargs=True)
    return blocks[layer - 1].register_forward_hook(after)


@contextmanager
def _without_blocks_above(model: Any, highest: int) -> Iterator[None]:
    """Take the blocks above the highest asked layer away.

    An exception at that layer would do as well, but not under gradient checkpointing, whose
    frames have to end in their own time.
    """
    encoder = _encoder(model)
    blocks = encoder.layers
    encoder.layers = blocks[: max(highest, 1)]
    try:
        yield
    finally:
        encoder.layers = blocks


def normalise_waveform(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return zero mean and unit variance along the last axis: ``(x - m) / sqrt(v + 1e-7)``.

    As Wav2Vec2FeatureExtractor does with ``do_normalize``.
    """
    mean = samples.mean(axis=-1, keepdims=True, dtype=np.float64)
    variance = samples.var(axis=-1, keepdims=True, dtype=np.float64)
    scaled: NDArray[np.float32] = ((samples - mean) / np.sqrt(variance + 1e-7)).astype(np.float32)
    return scaled


def encode_layers(
    model: Any,
    waveform: NDArray[np.float32],
    layers: Sequence[int],
    *,
    rate: int = 16000,
    chunk: float = 30.0,
    overlap: float = 8.0,
    normalise: bool = True,
    batch_size: int | None = None,
) -> Frames:
    """Encode one waveform in `stream_windows`; the model's dropout is off.

    Every window is normalised and encoded by itself. Of the frames that two windows give, the
    earlier window's count; a window adds those that need samples beyond the one before it.

    Parameters
    ----------
    model : transformers model
        On any device.
    waveform : array (sample,)
    layers : sequence of int
        As in `layer_outputs`.
    rate : int
        Hz, of the waveform and the model.
    chunk, overlap : float
        Seconds.
    normalise : bool
        Whether the model wants zero mean and unit variance (``do_normalize``).
    batch_size : int, optional
        Windows per forward pass; 60 s of audio if not given.

    Returns
    -------
    seconds : array (frame,)
        Centres of the frames (`frame_times`), s after the first sample.
    hidden : dict of layer -> array (frame, hidden), float32

    Raises
    ------
    ValueError
        If the waveform is shorter than one frame, or the model lacks a layer.
    """
    return join_blocks(
        stream_blocks(
            model, waveform, layers, rate=rate, chunk=chunk, overlap=overlap,
            normalise=normalise, batch_size=batch_size,
        )
    )  # fmt: skip


def encode_context(
    model: Any,
    waveform: NDArray[np.float32],
    layers: Sequence[int],
    *,
    rate: int = 16000,
    context: float = 16.0,
    stride: float = 0.1,
    normalise: bool = True,
    batch_size: int | None = None,
) -> Frames:
    """Encode one waveform by the last frame of windows of ``context`` s, one every ``stride`` s.

    No frame sees what comes after its window. The windows near the beginning are shorter, and
    encoded one by one. Parameters and returns as in `encode_layers`.
    """
    return join_blocks(
        context_blocks(
            model, waveform, layers, rate=rate, context=context, stride=stride,
            normalise=normalise, batch_size=batch_size,
        )
    )  # fmt: skip


def join_blocks(blocks: Iterator[Frames]) -> Frames:
    """Return the frames of all blocks as one."""
    parts = list(blocks)
    seconds = np.concatenate([seconds for seconds, _ in parts])
    layers = parts[0][1]
    return seconds, {k: np.concatenate([hidden[k] for _, hidden in parts]) for k in layers}


def stream_blocks(
    model: Any,
    waveform: NDArray[np.float32],
    layers: Sequence[int],
    *,
    rate: int,
    chunk: float,
    overlap: float,
    normalise: bool,
    batch_size: int | None,
    final_norm: bool = False,
) -> Iterator[Frames]:
    """Yield what `encode_layers` returns, window by window.

    ``final_norm`` as in `layer_outputs`.
    """
    stem = _checked_stem(model, waveform, rate)
    if round(chunk * rate) < stem.shortest:
        raise ValueError(f"chunk={chunk:g} s is shorter than one frame ({stem.shortest} samples)")
    windows = stream_windows(len(waveform), rate, chunk, overlap)
    size = batch_size or max(1, int(_AT_ONCE // chunk))
    for first in range(0, len(windows), size):
        group = windows[first : first + size]
        hidden = _encode(model, [waveform[a:b] for a, b, _ in group], layers, normalise, final_norm)
        for i, (start, stop, keep_from) in enumerate(group):
            new, end = stem.n_frames(keep_from - start), stem.n_frames(stop - start)
            times = frame_times(model.config, end, rate=rate)
            yield start / rate + times[new:], {k: hidden[k][i, new:end] for k in hidden}


def context_blocks(
    model: Any,
    waveform: NDArray[np.float32],
    layers: Sequence[int],
    *,
    rate: int,
    context: float,
    stride: float,
    normalise: bool,
    batch_size: int | None,
    final_norm: bool = False,
) -> Iterator[Frames]:
    """Yield what `encode_context` returns, batch by batch of equally long windows.

    ``final_norm`` as in `layer_outputs`.
    """
    stem = _checked_stem(model, waveform, rate)
    windows = context_windows(len(waveform), rate, context, stride, stem.shortest)
    if not windows:
        raise ValueError(
            f"the audio has {len(waveform) / rate:g} s, less than the first stride of {stride:g} s"
        )
    size = batch_size or max(1, int(_AT_ONCE // context))
    for group in _equal_lengths(windows, size):
        hidden = _encode(model, [waveform[a:b] for a, b in group], layers, normalise, final_norm)
        last = [stem.n_frames(stop - start) - 1 for start, stop in group]
        centre = frame_times(model.config, last[0] + 1, rate=rate)[-1]
        times = np.array([start / rate + centre for start, _ in group])
        yield times, {k: hidden[k][:, last[0]] for k in hidden}


def _equal_lengths(windows: list[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    group: list[tuple[int, int]] = []
    for window in windows:
        length = window[1] - window[0]
        if group and (len(group) == size or group[0][1] - group[0][0] != length):
            yield group
            group = []
        group.append(window)
    yield group


def _checked_stem(model: Any, waveform: NDArray[Any], rate: int) -> Stem:
    transformer_blocks(model)
    stem = Stem.of(model.config)
    if waveform.ndim != 1 or len(waveform) < stem.shortest:
        raise ValueError(
            f"the waveform has shape {waveform.shape}, expected (n_samples,) with at least "
            f"{stem.shortest} samples ({1000 * stem.shortest / rate:g} ms), one frame of the model"
        )
    return stem


def _encode(
    model: Any,
    clips: list[NDArray[np.float32]],
    layers: Sequence[int],
    normalise: bool,
    final_norm: bool,
) -> Mapping[int, NDArray[np.float32]]:
    import torch

    batch = np.stack(clips).astype(np.float32, copy=False)
    if normalise:
        batch = normalise_waveform(batch)
    parameter = next(model.parameters())
    with torch.inference_mode(), _evaluating(model):
        tensor = torch.tensor(batch, dtype=parameter.dtype, device=parameter.device)
        hidden = layer_outputs(model, tensor, layers, final_norm=final_norm)
    _check_clock(model, batch.shape[1], next(iter(hidden.values())).shape[1])
    return {layer: states.float().cpu().numpy() for layer, states in hidden.items()}


def _check_clock(model: Any, n_samples: int, n_found: int) -> None:
    """Refuse a model whose blocks run at another rate than its convolutions say."""
    expected = Stem.of(model.config).n_outputs(n_samples)
    if n_found != expected:
        raise TypeError(
            f"{type(model).__name__} makes {n_found} frames of {n_samples} samples where its "
            f"conv_kernel and conv_stride say {expected}: the times of its frames are not known; "
            f"encodekit reads {READ}"
        )


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
