"""The frozen part's output, computed once: kept on disk for epochs, participants and programs."""

import hashlib
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encodekit.core import whole_file
from encodekit.data import Stimulus
from encodekit.features import cache_folder
from encodekit_brain_tuning.backbones._backbone import Backbone
from encodekit_brain_tuning.backbones._configuration import computed_by

Span = tuple[int, int]
Frames = NDArray[np.float16 | np.float32]
StemDtype = Literal["float16", "float32"]
_SAMPLES = 4_000_000  # of audio in one call of the stem
_FORMAT = "3"
_NAME = re.compile(r"[0-9a-f]{64}\.stems")
_MAGIC = b"encodekit stems\n"  # ends a file, after the sha256 of what precedes
_TAIL = 32 + len(_MAGIC)


@dataclass(frozen=True)
class StemFrames:
    """Frames (n_all_frames, n_channels) of clips, one after the other; ``ends`` of each clip."""

    values: Frames
    ends: NDArray[np.int64]

    def clip(self, index: int) -> Tensor:
        """Return the frames (n_channels, n_frames) of one clip."""
        start = self.ends[index - 1] if index else 0
        return torch.from_numpy(np.array(self.values[start : self.ends[index]])).T


class StemCache:
    """What a model's frozen part makes of a run's clips, in a file that is mapped into memory.

    The frozen part is the stem, and the blocks below the lowest that learns (`Backbone.split`). A
    file is found again by the content of the audio, the weights of the frozen part, the windows,
    the dtype and what computed it (device, threads, versions), and its sha256 is checked. It
    appears whole or not at all, so that programs may share the folder; files of the cache that were
    used longest ago make room for new ones, and no others are touched. What has no file is kept in
    memory, in the same dtype: where the frames lie never changes a result.

    Parameters
    ----------
    folder : None, "auto" or path
        None keeps everything in memory; ``"auto"`` is ``stems`` in ``$ENCODEKIT_CACHE``, or in
        the user's cache folder.
    dtype : "float16" or "float32"
        float16 halves the size at a relative error of 3e-4; float32 is exact.
    limit : float
        Gigabytes of files in the folder.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        dtype: StemDtype = "float32",
        limit: float = 20.0,
    ) -> None:
        self.folder = cache_folder(folder, "stems")
        self.dtype: np.dtype[np.float16 | np.float32] = np.dtype(dtype)
        self.limit = limit

    def frames(
        self, backbone: Backbone, stimulus: Stimulus, audio: NDArray[np.float32], spans: list[Span]
    ) -> StemFrames:
        """Return the frames of each span of samples, from the file or computed.

        Raises
        ------
        ValueError
            If a value is not finite, or too large for float16.
        """
        lengths = [backbone.grid.stem.n_outputs(stop - start) for start, stop in spans]
        work = _Work(backbone, audio, spans, np.cumsum(lengths, dtype=np.int64), self.dtype)
        if self.folder is None or not spans:
            return StemFrames(work.in_memory(), work.ends)
        path = self.folder / f"{self._key(backbone, stimulus, spans)}.stems"
        found = _read(path, work)
        return StemFrames(self._write(path, work) if found is None else found, work.ends)

    def _key(self, backbone: Backbone, stimulus: Stimulus, spans: list[Span]) -> str:
        by = computed_by(backbone.model, backbone.device)
        parts = (
            _FORMAT, stimulus.audio_hash, backbone.frozen_hash, str(self.dtype), str(_SAMPLES), by
        )  # fmt: skip
        digest = hashlib.sha256(" ".join(parts).encode())
        digest.update(np.array(spans, np.int64).tobytes())
        return digest.hexdigest()

    def _write(self, path: Path, work: "_Work") -> Frames:
        """Compute into a file and map it; into memory, with a warning, where there is no room.

        The file is written, not mapped, while it grows: a full disk then raises instead of
        ending the program.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as partial, partial.open("wb+") as file:
                work.into(file, self._make_room)
                file.seek(0)
                file.write(hashlib.file_digest(file, "sha256").digest() + _MAGIC)
            found = _mapped(path, work)  # of bytes that were hashed as they were written
            if found is not None:
                return found
            why = "was taken away again"
        except OSError as error:
            why = f"cannot be written ({error})"
        warnings.warn(
            f"{work.backbone.frozen_name} of a run is kept in memory: its file in {path.parent} "
            f"{why}; free some disk, raise stem_cache_gb, or choose another folder as stem_cache",
            stacklevel=2,
        )
        return work.in_memory()

    def _make_room(self, n_bytes: int) -> None:
        """Remove the files used longest ago until another of ``n_bytes`` fits."""
        assert self.folder is not None
        if n_bytes > self.limit * 1e9:
            raise OSError(f"it has {n_bytes / 1e9:.3g} GB, the limit is {self.limit:g} GB")
        files = sorted((*_used(path), path) for path in self.folder.iterdir() if _is_ours(path))
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total + n_bytes <= self.limit * 1e9:
                break
            with suppress(OSError):
                path.unlink(missing_ok=True)
            total -= size


@dataclass(frozen=True)
class _Work:
    """One run's clips, to be computed."""

    backbone: Backbone
    audio: NDArray[np.float32]
    spans: list[Span]
    ends: NDArray[np.int64]
    dtype: "np.dtype[np.float16 | np.float32]"

    def in_memory(self) -> Frames:
        """Return the frames of all clips (n_all_frames, n_channels)."""
        parts = dict(self)
        empty = np.zeros((0, 0), self.dtype)
        return np.concatenate([parts[i] for i in range(len(self.spans))]) if parts else empty

    def into(self, file: BinaryIO, make_room: Callable[[int], None]) -> None:
        """Write them as a NumPy file; clips come in the order of their lengths."""
        begin = 0
        for index, values in self:
            row = values.shape[1] * self.dtype.itemsize
            if not begin:
                shape = (int(self.ends[-1]), values.shape[1])
                make_room(shape[0] * row)
                header = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                begin = file.tell()
            file.seek(begin + (int(self.ends[index - 1]) if index else 0) * row)
            file.write(values.tobytes())

    def __iter__(self) -> Iterator[tuple[int, Frames]]:
        for index, stem in stem_outputs(self.backbone, self.audio, self.spans):
            frames = self.backbone.frozen_output(stem[None])[0].cpu()
            if not bool(torch.isfinite(frames).all()):
                raise ValueError(
                    f"{self.backbone.frozen_name} has values that are not finite, in the clip of "
                    f"the samples {self.spans[index]}: look for NaN and infinite values in the "
                    f"weights of {self.backbone.name!r} and in the audio"
                )
            with np.errstate(over="ignore"):
                values = frames.T.numpy().astype(self.dtype, order="C")
            if not np.isfinite(values).all():
                raise ValueError(
                    f"{self.backbone.frozen_name} reaches {float(frames.abs().max()):.3g}, too "
                    f"large for {self.dtype}: pass stem_dtype='float32'"
                )
            yield index, values


def _read(path: Path, work: _Work) -> Frames | None:
    """Return the frames of a file that has its sha256, mapped into memory."""
    try:
        return _mapped(path, work) if _is_whole(path) else None
    except OSError:
        return None


def _mapped(path: Path, work: _Work) -> Frames | None:
    try:
        values: Frames = np.load(path, mmap_mode="r", allow_pickle=False)
        with suppress(OSError):  # a cache of others that is only read
            os.utime(path)
    except (OSError, ValueError, EOFError):
        return None
    whole = values.ndim == 2 and len(values) == work.ends[-1] and values.dtype == work.dtype
    return values if whole else None


def _is_whole(path: Path) -> bool:
    """Tell whether a file has the sha256 that it ends with."""
    digest, left = hashlib.sha256(), path.stat().st_size - _TAIL
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(left, 1 << 20))):
            digest.update(block)
            left -= len(block)
        return file.read() == digest.digest() + _MAGIC


def _is_ours(path: Path) -> bool:
    """Tell whether a `StemCache` wrote a file: by its name and by how it ends."""
    if not _NAME.fullmatch(path.name) or path.is_symlink() or not path.is_file():
        return False
    with suppress(OSError), path.open("rb") as file:
        file.seek(-len(_MAGIC), os.SEEK_END)
        return file.read() == _MAGIC
    return False


def stem_outputs(
    backbone: Backbone, audio: NDArray[np.float32], spans: Sequence[Span]
) -> Iterator[tuple[int, Tensor]]:
    """Yield (index, frames (n_channels, n_frames)) of each span of samples, on the CPU.

    Spans of one length go together; each is scaled and encoded by itself.
    """
    for length in sorted({stop - start for start, stop in spans}):
        same = [i for i, (start, stop) in enumerate(spans) if stop - start == length]
        at_once = max(1, _SAMPLES // max(length, backbone.grid.stem.fill))
        for first in range(0, len(same), at_once):
            some = same[first : first + at_once]
            clips = np.stack([audio[slice(*spans[i])] for i in some])
            yield from zip(some, backbone.stem_output(clips).cpu(), strict=True)


def _used(path: Path) -> tuple[float, int]:
    """When a file was last used, and its bytes; nothing of one that is gone."""
    try:
        status = path.stat()
    except OSError:
        return 0.0, 0
    return status.st_mtime, status.st_size
