"""Colours that stay apart for every kind of colour vision, on white and on black.

Ink, muted ink, grid and paper are stand-ins: a report swaps them for its own, light or dark.
"""

from collections.abc import Iterable, Mapping

INK = "#1f2429"
MUTED = "#6a737d"
GRID = "#dfe3e8"
PAPER = "#fefefe"

# Okabe and Ito (2008), after a grey for what others are compared with.
SERIES = (
    "#8a949e",
    "#56b4e9",
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#cc79a7",
    "#b8a800",
)
SEQUENTIAL = "inferno"
DIVERGING = "RdBu_r"


def colours_of(names: Iterable[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a colour for each name: as ``given``, else in order; the first is grey.

    >>> colours_of(["pretrained", "tuned"], {"tuned": "#d55e00"})
    {'pretrained': '#8a949e', 'tuned': '#d55e00'}
    """
    chosen = {name: SERIES[k % len(SERIES)] for k, name in enumerate(dict.fromkeys(names))}
    return chosen | {name: colour for name, colour in (given or {}).items() if name in chosen}
