"""Figures as SVG for a page: text stays text, and ink follows the page's theme."""

import io
import re
import warnings
from typing import Any

from encodekit.core import import_extra
from encodekit.reports._palette import GRID, INK, MUTED, PAPER

_RASTER_DPI = 200
_THEMED = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", PAPER: "var(--paper)"}
_TAG = re.compile(r"<[^>]*>")  # matplotlib writes ">" of text and attributes as "&gt;"
_FONT = re.compile(r"(font: [^'\";]*px) '[^\";]*'?[^\";]*")


def as_svg(figure: Any, prefix: str) -> str:
    """Return a matplotlib figure as an ``<svg>`` element for use inside HTML.

    What is marked as rasterised, such as a cortical mesh, becomes an embedded PNG. Every id
    begins with ``prefix``, so that several figures fit on one page, and nothing points outside.
    """
    matplotlib: Any = import_extra("matplotlib", extra="report", purpose="a report with figures")
    drawn = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": prefix}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # the browser draws the text, with fonts of its own
        warnings.filterwarnings("ignore", message=r"(?s).*Glyph .* missing from")
        # names may be too long for the layout: the figure is drawn without it
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        figure.savefig(
            drawn,
            format="svg",
            dpi=_RASTER_DPI,
            transparent=True,
            metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")),
        )
    return _for_page(drawn.getvalue(), prefix)


def _for_page(svg: str, prefix: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    tags = " ".join(_TAG.findall(svg))
    used = set(re.findall(r"url\(#([^)]+)\)", tags)) | set(re.findall(r'href="#([^"]+)"', tags))
    # between the tags stand names of the user, which are left as they are
    return _sized(_TAG.sub(lambda found: _tag_for_page(found[0], prefix, used), svg))


def _tag_for_page(tag: str, prefix: str, used: set[str]) -> str:
    tag = re.sub(r' xmlns(:\w+)?="[^"]*"', "", tag).replace("xlink:href", "href")
    tag = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", tag)
    tag = re.sub(r'\bid="', f'id="{prefix}-', tag)
    tag = tag.replace("url(#", f"url(#{prefix}-").replace('href="#', f'href="#{prefix}-')
    tag = _FONT.sub(r"\1 var(--sans)", tag)
    for ink, variable in _THEMED.items():
        tag = tag.replace(ink, variable)
    return tag


def _sized(svg: str) -> str:
    """Let the figure shrink with the page but not grow over its own size."""
    head, _, rest = svg.partition(">")
    points = re.search(r'width="([\d.]+)pt"', head)
    width = float(points.group(1)) * 4 / 3 if points else 640
    head = re.sub(r' (width|height|version)="[^"]*"', "", head)
    return f'{head} style="max-width: {width:.0f}px" aria-hidden="true" focusable="false">{rest}'
