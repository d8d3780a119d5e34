"""Text from outside, made fit to be shown: names, errors and values may hold anything."""

import re
from collections.abc import Callable
from typing import Any

from encodekit.core._isolated import isolated

# Control characters, line separators, characters that turn the order of others, lone surrogates
# and non-characters: a terminal obeys some, and XML or UTF-8 cannot hold others.
_UNSHOWN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff"
    r"\ufff9-\ufffb\ufffe\uffff]"
)
# What Markdown takes for markup within a line; an underscore only at the edge of a word.
_MARKUP = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|(?<=\])\(")


def plain(value: object) -> str:
    """Return a value as a ``str`` and no class derived from it, whose methods may be anything."""
    # by its type: what an object says of its class may be anything too
    return str.__str__(value if issubclass(type(value), str) else str(value))


def printable(text: object, keep: str = "") -> str:
    r"""Return text in which what cannot be shown stands as its escape, such as ``\x00``.

    Parameters
    ----------
    text : object
        A name, or anything whose ``str`` is shown.
    keep : str
        Which of these characters stay: ``"\n"`` where the text may have several lines.

    Examples
    --------
    >>> print(printable("P1\x1b[2J"))
    P1\x1b[2J
    """
    return _UNSHOWN.sub(
        lambda found: found[0] if found[0] in keep else _escaped(found[0]), plain(text)
    )


def shortened(text: str, limit: int) -> str:
    """Return text of at most ``limit`` characters: what is longer loses its middle."""
    if len(text) <= limit:
        return text
    end = limit // 3
    return f"{text[: limit - end - 1]}…{text[-end:]}"


def shown(value: object, limit: int = 80, keep: str = "") -> str:
    """Return the ``repr`` of a value, or its class where it has none; in one line, unless kept."""
    found = isolated(lambda: plain(repr(value)), _nothing)
    return shortened(printable(found or f"<{class_of(value)}>", keep), limit)


def message_of(error: BaseException) -> str:
    """Return the message of an error, also of one that cannot be printed."""
    found = isolated(lambda: plain(_message(error)), _nothing)
    return "its message cannot be printed" if found is None else printable(found, keep="\n\t")


def markdown(text: object) -> str:
    r"""Return text for one line of Markdown or a cell of its tables, shown as it is written.

    Examples
    --------
    >>> print(markdown("P1 | <b>"))
    P1 \| &lt;b&gt;
    """
    marked = _MARKUP.sub(r"\\\g<0>", printable(text))
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code_block(text: object) -> str:
    """Return a block of code in Markdown; indented, for no text can end that."""
    lines = printable(text, keep="\n").split("\n")
    return "\n".join(f"    {line}" for line in lines)


def _message(error: BaseException) -> Any:
    # the ``str`` of a KeyError is the repr of its message
    if issubclass(type(error), KeyError) and error.args:
        return error.args[0]
    return error


def class_of(value: object) -> str:
    """Return the name of a value's class, whatever that says of itself."""
    name: Callable[[type], str] = type.__dict__["__name__"].__get__  # a metaclass may hide it
    return printable(name(type(value)))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _nothing(_: BaseException) -> None:
    return None
