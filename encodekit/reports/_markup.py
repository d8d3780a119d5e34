"""Prose for the report: paragraphs, lists, bold, italics and code, everything else escaped."""

import html
import re

from encodekit.core import printable

_INLINE = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*(.+?)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w*])\*([^*\s](?:[^*]*[^*\s])?)\*(?![\w*])"), r"<em>\1</em>"),
)
_ESCAPED = re.compile(r"`[^`]+`|\\[*`\\-]")


def as_written(name: object) -> str:
    """Return a name for use within prose, where none of its signs is Markdown."""
    return re.sub(r"[*`\\]|^-", r"\\\g<0>", printable(name))


def as_code(value: object) -> str:
    """Return a value as ```code``` within prose; as written where it holds a backtick."""
    text = printable(value)
    return f"`{text}`" if text.strip() and "`" not in text else as_written(value)


def prose(text: str) -> str:
    r"""Return HTML for plain text with a little Markdown.

    Blank lines separate paragraphs, lines that begin with ``- `` are a list, ``**bold**``,
    ``*italic*`` and ```code``` are known. Anything else, tags included, is shown as written; so is
    one of ``* - ` \`` after a backslash.

    >>> prose("r = **0.2** & more")
    '<p>r = <strong>0.2</strong> &amp; more</p>'
    """
    blocks = re.split(r"\n\s*\n", text.strip())
    return "\n".join(
        _block([line.strip() for line in block.splitlines()]) for block in blocks if block
    )


def _block(lines: list[str]) -> str:
    if all(line.startswith("- ") for line in lines):
        items = "".join(f"<li>{_inline(line[2:])}</li>" for line in lines)
        return f"<ul>{items}</ul>"
    return f"<p>{_inline(' '.join(lines))}</p>"


def _inline(text: str) -> str:
    # signs after a backslash become entities, which no pattern knows; within code they stay
    shown = _ESCAPED.sub(_as_entity, html.escape(text, quote=False))
    # code first, and kept out of reach of the rest
    parts = re.split(r"(`[^`]+`)", shown)
    return "".join(_marked(part, code=part.startswith("`")) for part in parts)


def _as_entity(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith("`") else f"&#{ord(found[0][1])};"


def _marked(part: str, code: bool) -> str:
    for pattern, replacement in _INLINE[:1] if code else _INLINE[1:]:
        part = pattern.sub(replacement, part)
    return part
