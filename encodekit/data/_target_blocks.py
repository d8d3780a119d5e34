"""Blocks of targets, one after another here, or spread over the workers of a dask client."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ATTEMPTS = 10


def column_blocks(columns: NDArray[np.intp], size: int) -> Iterator[NDArray[np.intp]]:
    """Cut ``columns`` into pieces of at most ``size``."""
    for start in range(0, columns.size, size):
        yield columns[start : start + size]


def load_columns(values: Any, columns: NDArray[np.intp]) -> NDArray[Any]:
    """Return ``values[..., columns]`` in memory; a contiguous stretch is a view where it can be."""
    start, stop = int(columns[0]), int(columns[-1]) + 1
    if np.array_equal(columns, np.arange(start, stop)):
        return np.asarray(values[..., start:stop])
    return np.asarray(values[..., columns])


def over_blocks(
    solve: Callable[..., Any], shared: Any, values: Any, pieces: Sequence[NDArray[np.intp]]
) -> Iterator[tuple[NDArray[np.intp], Any]]:
    """Yield each piece of columns with ``solve(shared, values[:, columns])``.

    With an active ``dask.distributed`` client and values in dask, the pieces go to its workers,
    ``shared`` once to each of them. dask tries again what a lost worker had; ``shared`` itself is
    sent again if the last worker that has it is lost. Otherwise one piece is in memory at a time.

    Raises
    ------
    RuntimeError
        If workers are lost again and again.
    """
    client = _client() if hasattr(values, "dask") else None
    if client is None:
        for columns in pieces:
            yield columns, solve(shared, load_columns(values, columns))
        return
    pending = dict(enumerate(pieces))
    for _ in range(_ATTEMPTS):
        for place, result in _spread(client, solve, shared, values, pending):
            yield pending.pop(place), result
        if not pending:
            return
    raise RuntimeError(
        f"{len(pending)} blocks of targets were lost {_ATTEMPTS} times with the workers that had "
        "them: give workers more memory, or take a smaller block_size"
    )


def _spread(
    client: Any,
    solve: Callable[..., Any],
    shared: Any,
    values: Any,
    pieces: dict[int, NDArray[np.intp]],
) -> Iterator[tuple[int, Any]]:
    """Yield results as they come, by the places of their pieces; none for those that were lost."""
    from dask.delayed import delayed
    from distributed import CancelledError, as_completed

    everywhere = None if shared is None else client.scatter(shared, broadcast=True, hash=False)
    task = delayed(solve, pure=False)
    futures = client.compute([task(everywhere, values[:, some]) for some in pieces.values()])
    places = {future.key: place for future, place in zip(futures, pieces, strict=True)}
    for future, result in as_completed(futures, with_results=True):  # type: ignore[no-untyped-call]
        if not isinstance(result, CancelledError):
            yield places[future.key], result
        future.release()  # its memory on the worker


def _client() -> Any:
    """Return the active client, if the program has made one; none within a worker's task.

    A task that waited for others would keep the thread that they need.
    """
    if "distributed" not in sys.modules:
        return None
    from distributed import default_client, get_worker

    with suppress(ValueError):
        get_worker()
        return None
    try:
        return default_client()  # type: ignore[no-untyped-call]
    except ValueError:
        return None
