"""zarr over a sealed folder: every byte is checked, and only codecs that encodekit writes run."""

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype

from encodekit.core import SealedFolder

_METADATA = ("zarr.json", ".zarray", ".zmetadata")
# of version 3 by name, of version 2 by id; a codec is code, and one of numcodecs opens pickles
_CODECS = {"bytes", "blosc", "crc32c", "zstd", "vlen-utf8"}


class SealedStore(Store):
    """A store that only reads, and only what the folder's manifest lists."""

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(self, files: SealedFolder) -> None:
        super().__init__(read_only=True)
        self._files = files

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SealedStore) and self._files == other._files

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Return the checked bytes of a key; None where it is not listed."""
        if key not in self._files.files:
            return None
        if byte_range is not None:
            raise ValueError(f"{key} is read whole, so that it can be checked")
        content = self._files.read(key)
        if key.rpartition("/")[2] in _METADATA:
            _check_codecs(key, json.loads(content))
        kind = default_buffer_prototype() if prototype is None else prototype
        return kind.buffer.from_bytes(content)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return the bytes of several keys, each read whole."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Tell whether a key is listed."""
        return key in self._files.files

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse: the folder is sealed."""
        self._check_writable()

    async def delete(self, key: str) -> None:
        """Refuse: the folder is sealed."""
        self._check_writable()

    async def list(self) -> AsyncIterator[str]:
        """Yield every key."""
        for key in self._files.files:
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys that begin with ``prefix``."""
        for key in self._files.files:
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names directly below ``prefix``."""
        start = f"{prefix.rstrip('/')}/" if prefix else ""
        names = [key.removeprefix(start) for key in self._files.files if key.startswith(start)]
        for name in dict.fromkeys(name.partition("/")[0] for name in names):
            yield name


def _check_codecs(key: str, metadata: Any) -> None:
    """Raise ValueError where an array is to be read by what encodekit does not write."""
    for codec in _codecs(metadata):
        named = codec.get("name", codec.get("id")) if isinstance(codec, dict) else codec
        if named not in _CODECS:
            raise ValueError(f"{key} names the codec {named!r:.80}, which encodekit does not write")


def _codecs(metadata: Any) -> Iterator[Any]:
    """Yield every codec, filter and compressor that metadata name, however deep they stand."""
    if isinstance(metadata, list):
        for item in metadata:
            yield from _codecs(item)
    elif isinstance(metadata, dict):
        for name, item in metadata.items():
            if name in ("codecs", "index_codecs", "filters"):
                yield from item or ()
            elif name in ("compressor", "storage_transformers") and item:
                yield item
            else:
                yield from _codecs(item)
