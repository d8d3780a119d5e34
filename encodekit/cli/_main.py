"""Run the program: what goes wrong is one line on stderr, unless the traceback is asked for."""

import io
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from encodekit.cli._app import make_program
from encodekit.core import message_of, printable
from encodekit.plugins import PluginError, cause_of

# What a user can cause and mend; anything else is a bug, and its type helps to find it.
_EXPECTED = (ValueError, TypeError, OSError, ImportError, RuntimeError, LookupError)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``encodekit`` with the arguments of the process; exits with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    if isinstance(sys.stdout, io.TextIOWrapper):
        # names that its encoding cannot hold are written as escapes, as on stderr
        sys.stdout.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings():
        if not debug:
            warnings.showwarning = _show_warning
        try:
            make_program().main(
                [item for item in given if item != "--debug"], prog_name="encodekit"
            )
        except Exception as error:
            if debug:
                raise
            _say(f"error: {describe(error)}")
            sys.exit(2)


def describe(error: Exception) -> str:
    """Return what went wrong in words for users, with the type where it is not their doing."""
    text = message_of(error)
    if text and issubclass(type(error), (*_EXPECTED, PluginError)):
        return text
    return f"{cause_of(error)} (run it again with --debug for the traceback)"


def _show_warning(message: Warning | str, *_place: Any, **_more: Any) -> None:
    told = message_of(message) if isinstance(message, Warning) else message
    _say(f"warning: {told}")


def _say(text: str) -> None:
    sys.stderr.write(printable(text, keep="\n\t") + "\n")
