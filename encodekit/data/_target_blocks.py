"""Blocks of targets, one after another here, or spread over the workers of a dask client."""

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ATTEMPTS = 10
_PATIENCE = 5.0  # s in which a client may find its scheduler again
_WITHOUT_WORKERS = 30.0  # s, after which it is told that there are none


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
    solve: Callable[..., Any],
    shared: Any,
    values: Any,
    pieces: Sequence[NDArray[np.intp]],
    more: Sequence[Any] | None = None,
) -> Iterator[tuple[NDArray[np.intp], Any]]:
    """Yield each piece of columns with ``solve(shared, values[:, columns])``.

    ``more`` has a third argument of ``solve`` for each piece.

    With an active ``dask.distributed`` client and values in dask, the pieces go to its workers,
    ``shared`` once to each of them. dask tries again what a lost worker had; ``shared`` itself is
    sent again if the last worker that has it is lost. Otherwise one piece is in memory at a time.

    Raises
    ------
    RuntimeError
        If workers are lost again and again, or the scheduler is gone.

    Warns
    -----
    UserWarning
        If the cluster has had no workers for half a minute; it goes on when there are some.
    """
    client = _client() if hasattr(values, "dask") else None
    if client is None:
        for place, columns in enumerate(pieces):
            given = () if more is None else (more[place],)
            yield columns, solve(shared, load_columns(values, columns), *given)
        return
    pending = dict(enumerate(pieces))
    for _ in range(_ATTEMPTS):
        _check_scheduler(client)
        for place, result in _spread(client, solve, shared, values, pending, more):
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
    more: Sequence[Any] | None,
) -> Iterator[tuple[int, Any]]:
    """Yield results as they come, by the places of their pieces; none for those that were lost."""
    from distributed import CancelledError, as_completed

    try:
        futures = _submitted(client, solve, shared, values, pieces, more)
        places = {future.key: place for future, place in zip(futures, pieces, strict=True)}
        done: Any = as_completed(futures, with_results=True, loop=client.loop)  # type: ignore[no-untyped-call]
    except Exception:  # of many kinds, none of which says that it is the scheduler
        _check_scheduler(client)
        raise
    for future, result in _as_they_come(client, done):
        if not isinstance(result, CancelledError):
            yield places[future.key], result
        future.release()  # its memory on the worker


def _submitted(
    client: Any,
    solve: Callable[..., Any],
    shared: Any,
    values: Any,
    pieces: dict[int, NDArray[np.intp]],
    more: Sequence[Any] | None,
) -> list[Any]:
    from dask.delayed import delayed

    everywhere = None if shared is None else client.scatter(shared, broadcast=True, hash=False)
    task = delayed(solve, pure=False)
    futures: list[Any] = client.compute(
        [
            task(everywhere, values[:, some], *(() if more is None else (more[place],)))
            for place, some in pieces.items()
        ]
    )
    return futures


def _as_they_come(client: Any, done: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (future, result); where none comes, look whether there is somebody to send one."""
    pause, idle = 1e-3, time.monotonic()
    while not done.is_empty():
        if done.has_ready():
            yield from done.next_batch(block=False)
            pause, idle = 1e-3, time.monotonic()
            continue
        _check_scheduler(client)
        if time.monotonic() - idle > _WITHOUT_WORKERS:
            idle = time.monotonic()
            if not client.nthreads():
                warnings.warn(
                    "the dask cluster has no workers: blocks of targets wait until there are some",
                    UserWarning,
                    stacklevel=2,
                )
        time.sleep(pause)
        pause = min(2 * pause, 0.1)


def check_scheduler(arrays: Any) -> None:
    """Raise RuntimeError where arrays are lazy and the active client's scheduler is gone."""
    client = _client()
    if client is None:
        return
    given = arrays if isinstance(arrays, Sequence) else [arrays]
    parts = [part for part in given if hasattr(part, "dims")]
    coords = (coord for part in parts for coord in part.coords.values())
    if any(getattr(part, "chunks", None) for part in (*parts, *coords)):
        _check_scheduler(client)


def _check_scheduler(client: Any) -> None:
    """Raise RuntimeError where a client has lost its scheduler, which it seeks for half a minute.

    dask then says that there are no clients, or that this one is closed.
    """
    until = time.monotonic() + _PATIENCE
    while client.status != "running":
        if client.status in ("closing", "closed") or time.monotonic() > until:
            where = getattr(client.scheduler, "address", None) or "its address"
            raise RuntimeError(
                f"the dask scheduler at {where} is gone, and with it the blocks of targets that "
                "were not back yet: start a cluster and a client again, or close the client to "
                "compute in this process"
            )
        time.sleep(0.05)


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
