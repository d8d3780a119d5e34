"""The ground floor: whole files and sealed folders, messages, progress, settings."""

from encodekit.core._extras import MissingExtraError, import_extra
from encodekit.core._files import (
    MANIFEST,
    atomic_write,
    check_manifest,
    resumed_folder,
    whole_file,
    whole_folder,
    write_manifest,
)
from encodekit.core._messages import refuse, unknown_name
from encodekit.core._pointers import NotDownloadedError, present_file
from encodekit.core._progress import progress, tell
from encodekit.core._settings import Settings, split_nested
from encodekit.core._version import __version__
from encodekit.core._warnings import warn_caller

__all__ = [
    "MANIFEST",
    "MissingExtraError",
    "NotDownloadedError",
    "Settings",
    "__version__",
    "atomic_write",
    "check_manifest",
    "import_extra",
    "present_file",
    "progress",
    "refuse",
    "resumed_folder",
    "split_nested",
    "tell",
    "unknown_name",
    "warn_caller",
    "whole_file",
    "whole_folder",
    "write_manifest",
]
