"""The command line, ``encodekit``: commands of the core and of every plugin."""

from encodekit.cli._main import main

__all__ = ["main"]
