"""Saved models and studies on the Hugging Face hub: whole folders, checked by their manifest."""

import glob
from pathlib import Path
from typing import Any

from encodekit.core import MANIFEST, SealedFolder
from encodekit_adapters._need import need


def push(folder: str | Path, repo_id: str, *, private: bool = True, api: Any = None) -> str:
    """Upload a folder that encodekit saved, and return its address.

    Parameters
    ----------
    folder : path
        What ``save`` of a model or study wrote; its manifest is checked first.
    repo_id : str
        Such as ``"lab/my-model"``; made if it is not there.
    private : bool
        Of a repository that is made.
    api : HfApi, optional
        With your token or endpoint.

    Raises
    ------
    FileNotFoundError, ValueError
        Where the folder is not whole: nothing is uploaded.
    """
    sealed = SealedFolder.open(folder)
    sealed.verify()
    client = _api() if api is None else api
    repo_type = "dataset" if sealed.kind == "study" else "model"
    client.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True)
    said = client.upload_folder(
        repo_id=repo_id,
        folder_path=str(folder),
        repo_type=repo_type,
        commit_message=f"A {sealed.kind} saved by encodekit",
        allow_patterns=[MANIFEST, *map(glob.escape, sealed.files)],
    )
    return str(said)


def pull(
    repo_id: str, *, kind: str = "model", revision: str | None = None, api: Any = None
) -> Path:
    """Return the local folder of what `push` uploaded, every byte checked by its manifest.

    Parameters
    ----------
    repo_id : str
    kind : "model" or "study"
    revision : str, optional
        A branch, tag or commit.

    Raises
    ------
    ValueError
        Where what came is not whole, or of another kind.
    """
    client = _api() if api is None else api
    folder = Path(
        client.snapshot_download(
            repo_id, repo_type="dataset" if kind == "study" else "model", revision=revision
        )
    )
    SealedFolder.open(folder, kind).verify()
    return folder


def _api() -> Any:
    return need("huggingface_hub", extra="hub", purpose="the Hugging Face hub").HfApi()
