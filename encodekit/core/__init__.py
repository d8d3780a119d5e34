"""The ground floor: whole files and sealed folders, messages, progress, settings."""

from encodekit.core._damaged import reading
from encodekit.core._extras import MissingExtraError, import_extra
from encodekit.core._files import MANIFEST, atomic_write, whole_file
from encodekit.core._folders import remove_sealed, resumed_folder, whole_folder
from encodekit.core._isolated import isolated
from encodekit.core._manifest import write_manifest
from encodekit.core._messages import refuse, unknown_name
from encodekit.core._pointers import NotDownloadedError, present_file
from encodekit.core._progress import progress, tell
from encodekit.core._sealed import SealedFolder, read_sealed, verify_if_sealed
from encodekit.core._settings import Settings, split_nested
from encodekit.core._text import (
    class_of,
    code_block,
    markdown,
    message_of,
    plain,
    printable,
    shortened,
    shown,
)
from encodekit.core._version import __version__
from encodekit.core._warnings import warn_caller

__all__ = [
    "MANIFEST",
    "MissingExtraError",
    "NotDownloadedError",
    "SealedFolder",
    "Settings",
    "__version__",
    "atomic_write",
    "class_of",
    "code_block",
    "import_extra",
    "isolated",
    "markdown",
    "message_of",
    "plain",
    "present_file",
    "printable",
    "progress",
    "read_sealed",
    "reading",
    "refuse",
    "remove_sealed",
    "resumed_folder",
    "shortened",
    "shown",
    "split_nested",
    "tell",
    "unknown_name",
    "verify_if_sealed",
    "warn_caller",
    "whole_file",
    "whole_folder",
    "write_manifest",
]
