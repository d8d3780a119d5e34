"""himalaya, and its backend, which is one for the whole process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from encodekit_adapters._need import need

_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def himalaya_backend(name: str) -> Iterator[Any]:
    """Switch himalaya to a backend, and back to the one before, also after an error.

    The backend is a global of himalaya's, so that threads enter one after the other.
    """
    backends = need("himalaya.backend", extra="himalaya", purpose="himalaya's regressors")
    with _ONE_AT_A_TIME:
        before = backends.get_backend().name
        try:
            yield backends.set_backend(name)
        finally:
            backends.set_backend(before)
