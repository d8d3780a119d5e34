"""Call what others wrote: whatever it raises stays with it, and a key press still stops all."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

Found = TypeVar("Found")


def isolated(call: Callable[[], Found], otherwise: Callable[[BaseException], Found]) -> Found:
    """Return what ``call`` returns, or what ``otherwise`` makes of the exception that it raises.

    Whatever is raised counts as the call's own, KeyboardInterrupt and SystemExit too, unless it
    came from the handler of a signal: that one ends this function, even where ``call`` caught it.

    Parameters
    ----------
    call : callable
        Somebody else's code, without arguments.
    otherwise : callable
        Takes the exception.
    """
    failed: BaseException | None = None
    with _noted_signals() as stops:
        try:
            found = call()
        except BaseException as error:  # noqa: BLE001 (others raise anything, SystemExit too)
            failed = error
    if stops:
        raise stops[-1]
    return found if failed is None else otherwise(failed)


# Ctrl-C and a plugin's own ``raise KeyboardInterrupt`` are the same exception. They differ in where
# it is raised: that of a key press comes out of the handler of SIGINT. So the handlers are wrapped
# while foreign code runs, and what they raise is noted. Every signal that has a handler in Python
# is watched, as a handler of SIGTERM may call sys.exit and one of SIGALRM end what takes too long.
# Python runs handlers in the main thread alone: in another thread no exception is a key press.
# Code that sends itself the signal cannot be told from a user, and stops the program.
@contextmanager
def _noted_signals() -> Iterator[list[BaseException]]:
    stops: list[BaseException] = []
    before: dict[signal.Signals | int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
        before = {number: handler for number, handler in handlers.items() if callable(handler)}
    try:
        for number, handler in before.items():
            signal.signal(number, _noting(handler, stops))
        yield stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _noting(handler: Any, stops: list[BaseException]) -> Callable[[int, FrameType | None], Any]:
    """Return a handler that does what another one does, and notes what it raises."""

    def note(number: int, frame: FrameType | None) -> Any:
        try:
            return handler(number, frame)
        except BaseException as error:
            stops.append(error)
            raise

    return note
