"""Pretrained models from disk, or else from the Hugging Face hub, which is asked once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ATTENTION = ("eager", "sdpa", "flash_attention_2", "flex_attention")


def from_disk_or_hub(where: str, read: Callable[[str, bool], Any]) -> Any:
    """Return ``read(where, local_files_only)``; the hub is asked only for what is not on disk."""
    try:
        return read(where, True)
    except OSError:
        if Path(where).is_dir():
            raise
    _ask_hub(where)
    return read(where, False)


def read_pretrained(reader: Any, where: str, **given: Any) -> Any:
    """Return ``reader.from_pretrained(where)``; code that comes with weights is never run.

    Raises
    ------
    ValueError
        Where the model needs code of its own, or there is an adapter for PEFT beside it: its file
        names modules to import.
    """
    from transformers.utils.peft_utils import find_adapter_config_file

    local = {name: given[name] for name in ("local_files_only",) if name in given}
    if find_adapter_config_file(where, **local) is not None:
        raise ValueError(
            f"{where!r} holds an adapter (adapter_config.json), which encodekit does not load: "
            "merge it (PEFT's merge_and_unload, then save_pretrained) and give that folder"
        )
    _refuse_kernels(where)
    try:
        return reader.from_pretrained(where, trust_remote_code=False, **given)
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise ValueError(
            f"{where!r} needs code that comes with it (auto_map in its configuration), which "
            "encodekit never runs: give a model of an architecture that transformers has"
        ) from error


def _refuse_kernels(where: str) -> None:
    """Raise ValueError where a folder's configuration names a repository of attention code."""
    path = Path(where) / "config.json"
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return  # not a folder, or transformers says what is wrong
    told = content.get("attn_implementation") if isinstance(content, dict) else None
    if told is not None and told not in _ATTENTION:
        raise ValueError(
            f"{str(path)!r} asks for the attention {told!r:.80}, which may be code from elsewhere "
            f"and is never run: leave it out, or write one of {', '.join(_ATTENTION)}"
        )


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
