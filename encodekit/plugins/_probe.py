"""Discover plugins in a process of its own, so that one that hangs or crashes is named."""

import multiprocessing
import os
import sys
import warnings
from dataclasses import fields, replace
from importlib.metadata import EntryPoint
from multiprocessing.connection import Connection
from typing import Any

from encodekit.plugins._discovery import Plugin, discover
from encodekit.plugins._errors import PluginError
from encodekit.plugins._records import KINDS

TIME_LIMIT = 10.0  # s that one plugin may take to be imported and asked
_START = 60.0  # s for a new interpreter on a busy machine

_Key = tuple[str, str, str | None]


def probe(time_limit: float = TIME_LIMIT, wanted: str | None = None) -> list[Plugin]:
    """Return what `discover` would, and as skipped those that hang or end the process.

    Parameters
    ----------
    time_limit : float
        Seconds that one plugin may take.
    wanted : str, optional
        As in `discover`.
    """
    stopped: dict[_Key, str] = {}
    while True:
        outcome = _attempt(stopped, time_limit, wanted)
        if isinstance(outcome, list):
            return [_rebuilt(*plain) for plain in outcome]
        key, cause = outcome
        if key is None or key in stopped:
            raise RuntimeError(f"the plugins cannot be examined, the examination {cause}")
        stopped[key] = cause


def _attempt(stopped: dict[_Key, str], time_limit: float, wanted: str | None) -> Any:
    """Return the plugins as plain values, or (who was being imported, what happened)."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_examine, args=(theirs, stopped, wanted), daemon=True)
    child.start()
    theirs.close()
    at, limit = None, _START
    try:
        while ours.poll(limit):
            said = ours.recv()
            if isinstance(said, list):
                child.join(_START)
                return said
            at, limit = said, time_limit
        return at, f"did not come back within {limit:g} s: it hangs, or is very slow"
    except EOFError:
        child.join(_START)
        return at, f"ended the process (exit code {child.exitcode})"
    finally:
        child.kill()
        child.join()
        ours.close()


def _examine(pipe: Connection, stopped: dict[_Key, str], wanted: str | None) -> None:
    """Discover, telling the parent of each plugin before it is imported."""
    os.dup2(2, 1)  # what plugins print must not stand in the parent's output
    sys.stdout = sys.stderr

    def watch(point: EntryPoint) -> None:
        if _key(point) in stopped:
            raise PluginError(stopped[_key(point)])
        pipe.send(_key(point))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plugins = discover(wanted=wanted, watch=watch)
    pipe.send([_plain(plugin) for plugin in plugins])


def _key(point: EntryPoint) -> _Key:
    return point.name, point.value, point.dist.metadata["Name"] if point.dist else None


# Plain values alone cross the pipe: a plugin's own classes would be imported by the parent.
def _plain(plugin: Plugin) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    bare = {**vars(plugin), "records": ()}
    return bare, [
        (kind, {field.name: getattr(spec, field.name) for field in fields(KINDS[kind])})
        for kind, spec in plugin.records
    ]


def _rebuilt(bare: dict[str, Any], records: list[tuple[str, dict[str, Any]]]) -> Plugin:
    specs = tuple((kind, KINDS[kind](**content)) for kind, content in records)
    return replace(Plugin(**bare), records=specs)
