"""Find, load and identify the weights of a speech model."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from encodekit.core import import_extra, unknown_name, verify_if_sealed
from encodekit.features._encoding import READ
from encodekit.features._hub import from_disk_or_hub, read_pretrained
from encodekit.plugins import known_names, load_spec

_Loaded = tuple[Any, Any, set[str]]
_UNTRAINED = ("masked_spec_embed",)  # only of use in pretraining; may be absent from a checkpoint


class BackboneNotFoundError(OSError):
    """A speech model is neither in a folder, nor registered, nor on the hub."""


def resolve_backbone(name: str | Path) -> str:
    """Return the local folder or hub id that ``name`` stands for.

    ``name`` is a folder with ``config.json``, the short name of a registered backbone
    (``"tiny"``), or a hub id (``"facebook/wav2vec2-base"``), in this order.

    Raises
    ------
    BackboneNotFoundError
        If a path has no model in it.
    ValueError
        For a short name that no plugin registers: with close matches, or the pip line.
    """
    folder = Path(name)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise BackboneNotFoundError(
                f"the folder {str(name)!r} has no config.json: give the folder that "
                "save_pretrained wrote (config.json, model.safetensors, preprocessor_config.json)"
            )
        return str(folder)
    text = str(name)
    if isinstance(name, Path) or text.startswith((".", "/", "~")) or text.count("/") > 1:
        raise BackboneNotFoundError(f"the folder {text!r} is not there: check the path")
    if "/" in text:
        return text
    try:
        return str(load_spec("backbones", text)())
    except ValueError as error:
        raise ValueError(_not_registered(text, error)) from error


def _not_registered(name: str, error: ValueError) -> str:
    if "pip install" in str(error):
        return str(error)
    known = unknown_name("backbone", name, known_names("backbones"))
    return f"{known}; or give a local folder, or a hub id such as 'facebook/wav2vec2-base'"


def load_backbone(name: str | Path) -> tuple[Any, Any]:
    """Return (model in evaluation mode, feature extractor) of transformers, float32, on the CPU.

    Of Whisper the encoder is given, in the shape of the others: samples go in. Its checkpoint need
    not hold a decoder.

    Raises
    ------
    BackboneNotFoundError
        If it is nowhere to be found; says what was tried and what to do.
    ValueError
        If transformers has no plain model of the checkpoint's kind, or the checkpoint lacks weights
        of the model, which would stay random.
    ImportError
        Without ``encodekit[speech]``.
    """
    model, extractor, lacking = _find(name, _read)
    _refuse_random(model, lacking, name)
    if model.config.model_type == "whisper":
        from encodekit.features._whisper import WhisperSpeech

        model = WhisperSpeech(model, extractor)
    return model.eval(), extractor


def load_whole_model(name: str | Path) -> tuple[Any, Any]:
    """Return what `load_backbone` does, but Whisper as transformers has it.

    With its decoder, where the checkpoint holds one; else a model that has the encoder alone.
    """
    model, extractor, lacking = _find(name, _read_whole)
    decoder = getattr(model, "decoder", None)
    if decoder is not None and lacking.issuperset(f"decoder.{key}" for key in decoder.state_dict()):
        model, extractor, lacking = _find(name, _read)
    _refuse_random(model, lacking, name)
    return model.eval(), extractor


def _find(name: str | Path, read: Callable[[str, bool], _Loaded]) -> _Loaded:
    """Return what ``read`` makes of the folder or hub id that ``name`` stands for."""
    for package in ("torch", "transformers"):
        import_extra(package, extra="speech", purpose="SpeechFeatures")
    where = resolve_backbone(name)
    verify_if_sealed(where)
    try:
        found: _Loaded = from_disk_or_hub(where, read)
    except OSError as error:
        raise BackboneNotFoundError(_nowhere(name, where, error)) from error
    except ValueError as error:
        raise ValueError(_not_built(where, error)) from error
    return found


def _refuse_random(model: Any, lacking: set[str], name: str | Path) -> None:
    """Raise ValueError where a checkpoint lacks weights that features depend on."""
    random = sorted(key for key in lacking if key.rpartition(".")[2] not in _UNTRAINED)
    if random:
        raise ValueError(
            f"the checkpoint {resolve_backbone(name)!r} lacks {len(random)} weights of "
            f"{type(model).__name__}, the first {random[0]!r}; they would be random: give a "
            "checkpoint of this architecture"
        )


def wants_scaled(extractor: Any) -> bool:
    """Whether a model's clips are scaled to zero mean and unit variance (Whisper's never are)."""
    return not hasattr(extractor, "hop_length") and bool(getattr(extractor, "do_normalize", True))


def _read(where: str, local_files_only: bool) -> _Loaded:
    """Return (model, feature extractor, names of weights that are not there), Whisper's encoder."""
    from transformers import AutoConfig, AutoModel

    config = read_pretrained(AutoConfig, where, local_files_only=local_files_only)
    if config.model_type != "whisper":
        return _read_as(AutoModel, where, local_files_only)
    from encodekit.features._whisper import BARE_NAMES, WhisperEncoderAlone

    return _read_as(WhisperEncoderAlone, where, local_files_only, key_mapping=BARE_NAMES)


def _read_whole(where: str, local_files_only: bool) -> _Loaded:
    """Return the same of all that the architecture has."""
    import torch
    from transformers import AutoModel

    with torch.random.fork_rng(devices=[]), _no_report():  # weights that are not there are drawn
        return _read_as(AutoModel, where, local_files_only)


def _read_as(reader: Any, where: str, local_files_only: bool, **how: Any) -> _Loaded:
    import torch
    from transformers import AutoFeatureExtractor

    given = {"local_files_only": local_files_only}
    with _no_bar() if local_files_only else nullcontext():
        model, info = read_pretrained(
            reader,
            where,
            output_loading_info=True,
            dtype=torch.float32,
            adapter_kwargs=given,  # or transformers asks the hub for an adapter all the same
            **given,
            **how,
        )
    extractor = read_pretrained(AutoFeatureExtractor, where, **given)
    return model, extractor, set(info["missing_keys"])


@contextmanager
def _no_report() -> Iterator[None]:
    """Keep transformers' list of weights that are not there away: what matters of it is said."""
    from transformers.utils import logging

    log: Any = logging
    before = log.get_verbosity()
    log.set_verbosity_error()
    try:
        yield
    finally:
        log.set_verbosity(before)


@contextmanager
def _no_bar() -> Iterator[None]:
    """Keep the loading bar of transformers away: weights that are on disk load in no time."""
    from huggingface_hub import utils as hub
    from transformers.utils import logging

    bars: Any = logging
    of_hub: Any = hub
    if of_hub.are_progress_bars_disabled() or not bars.is_progress_bar_enabled():
        yield
        return
    bars.disable_progress_bar()
    try:
        yield
    finally:
        bars.enable_progress_bar()


def _nowhere(name: str | Path, where: str, error: OSError) -> str:
    if Path(where).is_dir():
        return f"the backbone in {where!r} cannot be read: {_first_line(error)}"
    registered = ", ".join(map(repr, known_names("backbones"))) or "none"
    tiny = "" if "tiny" in registered else " (pip install encodekit-brain-tuning)"
    return (
        f"the backbone {str(name)!r} was not found. Tried: a local folder of that name; the "
        f"registered backbones ({registered}); the cache and the servers of the Hugging Face hub "
        f"({_first_line(error)}). Without a network give a local folder (config.json, "
        "model.safetensors, preprocessor_config.json: what save_pretrained writes), or use the "
        f"small model 'tiny'{tiny}"
    )


def _not_built(where: str, error: ValueError) -> str:
    return (
        f"transformers makes no speech model of {where!r}: {_first_line(error)[:200]}; encodekit "
        f"reads {READ}"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


SETTINGS_OF_FILES = (  # what a configuration says that no value depends on
    "_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version",
)  # fmt: skip


def configuration_hash(model: Any, *readers: Any) -> str:
    """Return the sha256 of what a model, and what prepares its input, was told beside its weights.

    A scaling of the waveform or an activation changes every feature, and no weight.
    """
    told = [model.config.to_dict(), *(reader.to_dict() for reader in readers)]
    kept = [{k: v for k, v in part.items() if k not in SETTINGS_OF_FILES} for part in told]
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()


def weights_hash(model: Any) -> str:
    """Return the sha256 of a model's weights: names, dtypes, shapes and values, in order of name.

    The same for a model from the hub, from a folder, or in memory; it does not depend on the
    format of the files.
    """
    import torch

    digest = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        if name.rpartition(".")[2] in _UNTRAINED:
            continue
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        plain = weight.detach().cpu().contiguous()
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
