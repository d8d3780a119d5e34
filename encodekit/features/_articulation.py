"""How each phone is made: place, manner and voice of consonants, height and place of vowels."""

import numpy as np
import xarray as xr

from encodekit.core import unknown_name
from encodekit.data import Stimulus
from encodekit.features._impulses import PhoneRate

_MANNERS = {
    "plosive": "P B T D K G",
    "affricate": "CH JH",
    "fricative": "F V TH DH S Z SH ZH HH",
    "nasal": "M N NG",
    "lateral": "L",
    "approximant": "R W Y",
}
_PLACES = {
    "bilabial": "P B M",
    "labiodental": "F V",
    "dental": "TH DH",
    "alveolar": "T D S Z N L R",
    "postalveolar": "CH JH SH ZH",
    "palatal": "Y",
    "velar": "K G NG W",
    "glottal": "HH",
}
_VOICES = {
    "voiced": "B D G JH V DH Z ZH M N NG L R W Y",
    "unvoiced": "P T K CH F TH S SH HH",
}
_VOWELS = {
    "high": "IY UW UH OY",
    "mid": "EH ER EY IH OW AO AH AW AY OY",
    "low": "AA AE AW AY",
    "front": "IY IH EY EH AE AY OY",
    "central": "ER AH AW AY",
    "back": "UW UH OW AO AA AW OY",
}
GROUPS = {**_PLACES, **_MANNERS, **_VOICES, **_VOWELS}
FEATURES = tuple(GROUPS)
_MADE = {name: frozenset(phones.split()) for name, phones in GROUPS.items()}
PHONES = frozenset().union(*_MADE.values())


class Articulation(PhoneRate):
    """22 features of how each phone (ARPAbet) is made, as events at its onset.

    A phone counts 1 in each of its features (B: bilabial, plosive, voiced; diphthongs have those
    of both vowels), low-passed as `PhoneRate`. Stress digits are passed over. Needs ``phones`` in
    each stimulus.

    Raises
    ------
    ValueError
        In ``transform``: for a stimulus without phones, or with one that is not of ARPAbet.

    Examples
    --------
    >>> import pandas as pd
    >>> from encodekit.data import Stimulus
    >>> phones = pd.DataFrame({"phone": ["B", "IY1"], "onset": [0.5, 0.7], "duration": [0.2, 0.2]})
    >>> story = Stimulus("story-1", phones=phones, t_r=2.0, duration=4.0)
    >>> rows = Articulation(resample="sum").transform([story])
    >>> rows.coords["name"].values[rows.values[0] > 0].tolist()
    ['bilabial', 'plosive', 'voiced', 'high', 'front']
    """

    def frames(self, stimulus: Stimulus) -> xr.DataArray:
        """Return ones where a phone has a feature (time, 22)."""
        ones = super().frames(stimulus)
        assert stimulus.phones is not None
        phones = [phone.upper().rstrip("0123456789") for phone in stimulus.phones["phone"]]
        strange = [phone for phone in dict.fromkeys(phones) if phone not in PHONES]
        if strange:
            raise ValueError(
                f"Articulation: run {stimulus.run_name!r}: {len(strange)} labels are no phones of "
                f"ARPAbet; {unknown_name('phone', strange[0], sorted(PHONES))}. Drop pauses from "
                "the table, or translate it"
            )
        table = np.array([[phone in _MADE[name] for name in FEATURES] for phone in phones])
        return xr.DataArray(
            table.reshape(-1, len(FEATURES)).astype(np.float32),
            dims=("time", "feature"),
            coords={"seconds": ones.coords["seconds"], "name": ("feature", list(FEATURES))},
        )
