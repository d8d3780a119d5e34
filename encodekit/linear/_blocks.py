"""Blocks of targets, one after another here, or spread over the workers of a dask client."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.scoring._missing import load_columns


def over_blocks(
    solve: Callable[..., Any], shared: Any, values: Any, pieces: Sequence[NDArray[np.intp]]
) -> Iterator[tuple[NDArray[np.intp], Any]]:
    """Yield each piece of columns with ``solve(shared, values[:, columns])``.

    With an active ``dask.distributed`` client and values in dask, the pieces go to its workers,
    ``shared`` once to each of them; dask tries again what a lost worker had. Otherwise one piece
    is in memory at a time.
    """
    client = _client() if hasattr(values, "dask") else None
    if client is None:
        for columns in pieces:
            yield columns, solve(shared, load_columns(values, columns))
        return
    from dask.delayed import delayed
    from distributed import as_completed

    everywhere = client.scatter(shared, broadcast=True, hash=False)
    task = delayed(solve, pure=False)
    futures = client.compute([task(everywhere, values[:, some]) for some in pieces])
    places = {future.key: place for place, future in enumerate(futures)}
    for future, result in as_completed(futures, with_results=True):  # type: ignore[no-untyped-call]
        yield pieces[places[future.key]], result
        future.release()  # its memory on the worker


def _client() -> Any:
    """Return the active client, if the program has made one."""
    if "distributed" not in sys.modules:
        return None
    from distributed import default_client

    try:
        return default_client()  # type: ignore[no-untyped-call]
    except ValueError:
        return None
