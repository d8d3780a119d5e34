"""How people write the name of a region: ``4``, ``"l_a1_roi"``, ``"V1-lh"``."""

import re
from typing import NamedTuple

_PREFIX = re.compile(r"^(?:(l|lh|left)|(?:r|rh|right))[_.](?=.)", re.IGNORECASE)
_SUFFIX = re.compile(r"[-_.](?:(lh)|(?:rh))$", re.IGNORECASE)
_ROI = re.compile(r"_roi$", re.IGNORECASE)


class Written(NamedTuple):
    """A name as written: what is left of it, and the hemisphere that it speaks of."""

    name: str
    hemisphere: str | None


def read_name(name: object) -> Written:
    """Strip ``L_``, ``R_``, ``_ROI``, ``-lh`` and ``-rh``, and tell the hemisphere they name.

    Whole numbers count as names: Glasser's areas 4, 1, 2, 44 become integers in CSV and YAML.

    >>> read_name("L_A1_ROI"), read_name(44), read_name("V1-rh").hemisphere
    (Written(name='A1', hemisphere='left'), Written(name='44', hemisphere=None), 'right')
    """
    text = str(name).strip()
    hemisphere = None
    for pattern in (_ROI, _PREFIX, _SUFFIX, _ROI):
        found = pattern.search(text)
        if found is None:
            continue
        if pattern is not _ROI:
            hemisphere = "left" if found.group(1) else "right"
        text = text[: found.start()] + text[found.end() :]
    return Written(text, hemisphere)
