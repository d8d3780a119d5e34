"""A progress bar on stderr, for what takes longer than two seconds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

_PATIENCE = 2.0  # s without a bar


@contextmanager
def progress(
    title: str, total: float, patience: float = _PATIENCE
) -> Iterator[Callable[[float], None]]:
    """Give a function that advances a bar by some of ``total``, shown after ``patience`` seconds.

    Nothing is written where stderr is no terminal, or one that cannot move its cursor.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    shown = console.is_terminal and not console.is_dumb_terminal
    bar = Progress(*columns, console=console, transient=True, disable=not shown)
    task = bar.add_task(title, total=total)
    timer = Timer(patience, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda amount: bar.advance(task, amount)
    finally:
        timer.cancel()
        timer.join()
        if bar.live.is_started:
            bar.stop()


def tell(text: str) -> None:
    """Print a line on stderr, where that is a terminal: what a long computation came to."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        console.print(text, highlight=False, markup=False, soft_wrap=True)
