"""The speech encoders that ship with brain-tuning, for machines without the hub."""

from pathlib import Path

_HERE = Path(__file__).parent


def tiny_backbone() -> Path:
    """Return the folder of "tiny", a small recogniser of synthetic words in the shape of wav2vec2.

    The folder holds what transformers saves (``config.json``, ``model.safetensors``,
    ``preprocessor_config.json``) and a model card that says what the model heard and never heard.

    Examples
    --------
    >>> sorted(path.name for path in tiny_backbone().iterdir())[0]
    'README.md'
    """
    return _HERE / "tiny"


def whisper_tiny_en() -> Path:
    """Return the folder of "whisper-tiny.en", the encoder of OpenAI's Whisper tiny.en (MIT).

    Beside what transformers saves, its decoder left out, the folder holds a model card and
    OpenAI's licence.

    Examples
    --------
    >>> sorted(path.name for path in whisper_tiny_en().iterdir())[0]
    'LICENSE'
    """
    return _HERE / "whisper_tiny_en"
