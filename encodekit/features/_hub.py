"""Pretrained models from disk, or else from the Hugging Face hub, which is asked once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def from_disk_or_hub(where: str, read: Callable[[str, bool], Any]) -> Any:
    """Return ``read(where, local_files_only)``; the hub is asked only for what is not on disk."""
    try:
        return read(where, True)
    except OSError:
        if Path(where).is_dir():
            raise
    _ask_hub(where)
    return read(where, False)


def _ask_hub(where: str) -> None:
    """Raise OSError at once where the hub has no such model or cannot be reached.

    Downloads of the hub's client try for half a minute before they say so.
    """
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(where, timeout=20)
    except OSError:
        raise
    except Exception as error:  # which class depends on the client's version
        raise OSError(str(error)) from error
