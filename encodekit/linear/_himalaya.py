"""himalaya, and its backend, which is one for the whole process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from encodekit.core import import_extra

BACKENDS = ("numpy", "torch", "torch_cuda", "cupy")
_ONE_AT_A_TIME = threading.RLock()


def import_himalaya(module: str) -> ModuleType:
    """Import a module of himalaya's, or raise with the pip line that brings it."""
    return import_extra(f"himalaya.{module}", extra="banded", purpose="BandedRidgeCV")


@contextmanager
def himalaya_backend(name: str) -> Iterator[Any]:
    """Switch himalaya to a backend, and back to the one before, also after an error.

    The backend is a global of himalaya's, so that threads enter one after the other.
    """
    backends = import_himalaya("backend")
    with _ONE_AT_A_TIME:
        before = backends.get_backend().name
        try:
            yield backends.set_backend(name)
        finally:
            backends.set_backend(before)
