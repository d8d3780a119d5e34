"""Prose for the report: paragraphs, lists, bold, italics and code, everything else escaped."""

import html
import re

_INLINE = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*(.+?)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w*])\*([^*\s](?:[^*]*[^*\s])?)\*(?![\w*])"), r"<em>\1</em>"),
)


def prose(text: str) -> str:
    """Return HTML for plain text with a little Markdown.

    Blank lines separate paragraphs, lines that begin with ``- `` are a list, ``**bold**``,
    ``*italic*`` and ```code``` are known. Anything else, tags included, is shown as written.

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
    # code first, and kept out of reach of the rest
    parts = re.split(r"(`[^`]+`)", html.escape(text, quote=False))
    return "".join(_marked(part, code=part.startswith("`")) for part in parts)


def _marked(part: str, code: bool) -> str:
    for pattern, replacement in _INLINE[:1] if code else _INLINE[1:]:
        part = pattern.sub(replacement, part)
    return part
