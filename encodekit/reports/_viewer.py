"""A cortex to turn in the browser, inside the report's one file."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.reports._mesh import folds, inflated
from encodekit.reports._surface import colours_for, limits
from encodekit.reports._vertex_maps import SIDES, vertex_maps

_STEPS = 65534  # 0 is left for what is not scored


@dataclass(frozen=True, eq=False)
class SurfaceViewer:
    """Maps on the inflated cortex, to be turned, thresholded and read vertex by vertex.

    Drawn by a script inside the page, in software: it needs no network, no WebGL, and no library.
    Without scripts a reader sees nothing of it, so keep a static map beside it.

    Parameters
    ----------
    maps : mapping of name to scores
        Each as for `plot_surface`; the reader chooses.
    label : str
        What the colours show.
    threshold : float
        Where the slider stands at first.
    diverging : bool
        For differences.
    areas : mapping of "left" and "right" to arrays (10242,) of names, optional
        Told with the value under the pointer.

    Raises
    ------
    ValueError
        If there is no map.
    """

    maps: Mapping[str, Any]
    label: str = "correlation with the brain (r)"
    threshold: float = 0.0
    diverging: bool = False
    areas: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.maps:
            raise ValueError("a SurfaceViewer needs at least one map")

    def parts(self, key: str) -> dict[str, Any]:
        """Return what the template of the report shows, with ids that begin with ``key``."""
        maps = [(str(name), vertex_maps(scores)) for name, scores in self.maps.items()]
        ends = [limits(of, None, None, self.diverging) for _, of in maps]
        vmin, vmax = min(low for low, _ in ends), max(high for _, high in ends)
        colours = colours_for(None, self.diverging)(np.linspace(0, 1, 256))[:, :3]
        rgb = np.round(255 * colours).astype(np.uint8)
        data: dict[str, Any] = {
            "colours": _packed(rgb),
            "areas": None,
            "maps": [_map(name, of, vmin, vmax) for name, of in maps],
        }
        if self.areas:
            names, area = np.unique(
                np.concatenate([self.areas[side] for side in SIDES]), return_inverse=True
            )
            data |= {"areas": names.tolist(), "area": _packed(area.astype(np.uint16))}
        stops = ", ".join(f"rgb({r} {g} {b})" for r, g, b in rgb[:: 255 // 15])
        return {
            "id": key,
            "data": _json(data),
            "names": [name for name, _ in maps],
            "label": self.label,
            "gradient": f"linear-gradient(to right, {stops})",
            "threshold": self.threshold,
            "top": max(abs(vmin), abs(vmax)),
        }


def _map(
    name: str, of: Mapping[str, NDArray[np.float64]], vmin: float, vmax: float
) -> dict[str, Any]:
    values = np.concatenate([of[side] for side in SIDES])
    defined = np.isfinite(values)
    low, high = (values[defined].min(), values[defined].max()) if defined.any() else (0.0, 1.0)
    share = (np.where(defined, values, low) - low) / ((high - low) or 1.0)
    stored = np.where(defined, 1 + np.round(share * _STEPS), 0).astype(np.uint16)
    ends = {"low": float(low), "high": float(high), "vmin": vmin, "vmax": vmax}
    return {"name": name, "values": _packed(stored), **ends}


@cache
def mesh_json() -> str:
    """Return the two inflated hemispheres as JSON: quantised points, triangles, folds."""
    sides = {}
    for side in SIDES:
        points, triangles, depth = inflated(side)
        scale = float(np.abs(points).max()) / 32767  # mm per step: a few thousandths
        sides[side] = {
            "points": _packed(np.round(points / scale).astype(np.int16)),
            "triangles": _packed(triangles.astype(np.uint16)),
            "folds": _packed(np.round(255 * folds(depth)).astype(np.uint8)),
            "scale": scale,
        }
    return _json(sides)


@cache
def script() -> str:
    """Return the script that draws."""
    return (files("encodekit.reports") / "templates" / "viewer.js").read_text(encoding="utf-8")


def script_hash() -> str:
    """Return the hash by which the page's content policy allows this script and no other."""
    digest = hashlib.sha256(script().encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _packed(values: NDArray[Any]) -> str:
    # Typed arrays in a browser have the byte order of the machine, which is little-endian.
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode()


def _json(value: Any) -> str:
    # Inside a script element "</script" ends it and "<!--" hides the end, whatever string these
    # stand in; json.dumps writes all that is not ASCII, lone surrogates too, as escapes.
    text = json.dumps(value, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
