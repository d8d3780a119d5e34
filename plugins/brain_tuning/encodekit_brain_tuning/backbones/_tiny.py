"""The speech encoder that ships with brain-tuning, for machines without the hub."""

from pathlib import Path

FOLDER = Path(__file__).parent / "tiny"


def tiny_backbone() -> Path:
    """Return the folder of "tiny", a small recogniser of synthetic words in the shape of wav2vec2.

    The folder holds what transformers saves (``config.json``, ``model.safetensors``,
    ``preprocessor_config.json``) and a model card that says what the model heard and never heard.

    Examples
    --------
    >>> sorted(path.name for path in tiny_backbone().iterdir())[0]
    'README.md'
    """
    return FOLDER
