"""The brains: which latents each target follows, how strongly, and how late."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from encodekit.simulation._cortex import AUDITORY, LANGUAGE, NOTHING, Cortex
from encodekit.simulation._latents import (
    BANDS,
    LOUDNESS,
    MEANING,
    N_BANDS,
    N_DIMENSIONS,
    N_LATENTS,
    SMOOTHING,
)

SHARED = 0.7  # of the variance of a map is the same in everybody
LOUDNESS_WEIGHT = 0.1  # in the signal of a language target; that of meaning is the rest
MAX_SHIFT = 1.0  # s
CLEAR = (0.02, 0.12)  # of the variance of one run
_REALISTIC_MEDIAN, _REALISTIC_90 = 0.02, 0.08
_MOST = 0.9  # of the variance: what is left must be noise for repeats to differ in

Snr = str | tuple[float, float]


@dataclass(frozen=True, eq=False)
class Maps:
    """Random maps that decide about a brain, each of mean 0 and variance 1 over draws."""

    meaning: NDArray[np.float64]  # (N_DIMENSIONS, vertex)
    bands: NDArray[np.float64]  # (N_BANDS, vertex)
    strength: NDArray[np.float64]  # (vertex,)

    def mixed_with(self, own: "Maps") -> "Maps":
        """Return sqrt(SHARED) of these and sqrt(1 - SHARED) of a participant's own."""
        shared, rest = np.sqrt(SHARED), np.sqrt(1 - SHARED)
        return Maps(
            shared * self.meaning + rest * own.meaning,
            shared * self.bands + rest * own.bands,
            shared * self.strength + rest * own.strength,
        )


def draw_maps(cortex: Cortex, rng: np.random.Generator) -> Maps:
    """Return smooth random maps on the cortex."""
    fields = cortex.smooth_fields(rng, N_DIMENSIONS + N_BANDS + 1)
    meaning, bands, strength = np.split(fields, [N_DIMENSIONS, N_DIMENSIONS + N_BANDS])
    return Maps(meaning, bands, strength[0])


def smoothing_map(cortex: Cortex, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return over how many seconds each language target gathers words (NaN for the others).

    A smooth map cut at its terciles, the same in everybody.
    """
    seconds = np.full(len(cortex), np.nan)
    language = cortex.follows == LANGUAGE
    field = cortex.smooth_fields(rng, 1)[0][language]
    # argsort of argsort is the rank; rank times 3 over n is the tercile, without a tie.
    ranks = field.argsort().argsort() * len(SMOOTHING) // max(field.size, 1)
    seconds[language] = np.asarray(SMOOTHING)[ranks]
    return seconds


def follows_under(cortex: Cortex, null: str | None) -> NDArray[np.str_]:
    """Return what each target follows: acoustics, language, unrelated or nothing."""
    follows = cortex.follows
    if null == "nothing":
        return np.full_like(follows, NOTHING)
    if null == "acoustics":
        return np.where(follows == LANGUAGE, AUDITORY, follows)
    if null == "unrelated":
        return np.where(follows == NOTHING, NOTHING, "unrelated")
    return follows


def shares(
    follows: NDArray[np.str_], strength: NDArray[np.float64], snr: Snr
) -> NDArray[np.float64]:
    """Return the signal's share of the variance of one run of each target.

    ``strength`` is standard normal; its quantile decides. ``"clear"`` is uniform over `CLEAR`, a
    pair of numbers is uniform over them, ``"realistic"`` is log-normal with a median of .02 and a
    90 % quantile of .08.
    """
    if snr == "realistic":
        # log-normal: the 90 % quantile is exp(width * 1.28) times the median.
        width = np.log(_REALISTIC_90 / _REALISTIC_MEDIAN) / ndtri(0.9)
        share = np.minimum(_REALISTIC_MEDIAN * np.exp(width * strength), _MOST)
    else:
        low, high = check_snr(snr)
        share = low + (high - low) * ndtr(strength)
    return np.where(follows == NOTHING, 0.0, share)


def check_snr(snr: Snr) -> tuple[float, float]:
    """Return the range of shares, or raise where ``snr`` is neither a name nor a range."""
    if snr == "clear":
        return CLEAR
    if snr == "realistic":
        return (0.0, _MOST)
    if not isinstance(snr, str) and len(snr) == 2 and 0 <= snr[0] <= snr[1] <= _MOST:
        return (float(snr[0]), float(snr[1]))
    raise ValueError(
        f"snr={snr!r}: take 'clear', 'realistic', or the lowest and the highest share of signal "
        f"in one run, such as (0.02, 0.12), between 0 and {_MOST}"
    )


def latent_weights(
    cortex: Cortex,
    maps: Maps,
    smoothing: NDArray[np.float64],
    null: str | None,
    covariance: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return weights (N_LATENTS, vertex) that give every responding target a variance of 1.

    A language target is .9 times the meaning of the words gathered over its ``smoothing`` and .1
    times the loudness (both of variance 1, so loudness alone predicts it with r = .11). An
    auditory target follows the mel bands. With ``null="acoustics"``, language targets follow the
    bands too.

    Parameters
    ----------
    covariance : array (N_LATENTS, N_LATENTS)
        Of the participant's haemodynamic latents within runs.
    """
    spread = np.sqrt(np.diag(covariance))
    meaning = np.zeros((N_LATENTS, len(cortex)))
    for seconds, columns in MEANING.items():
        meaning[columns] = np.where(smoothing == seconds, maps.meaning, 0)
    loudness = np.zeros_like(meaning)
    loudness[LOUDNESS] = cortex.follows == LANGUAGE
    bands = np.zeros_like(meaning)
    on_bands = follows_under(cortex, null if null == "acoustics" else None) == AUDITORY
    # Per deviation of a band, or the loudest band would be all that a target follows.
    bands[BANDS] = np.where(on_bands, maps.bands / spread[BANDS, None], 0)
    on_meaning = (cortex.follows == LANGUAGE) & ~on_bands
    # Each part has a variance of 1 before they are weighed, in what THIS brain's response makes of
    # the latents; the sum once more, since meaning and loudness are correlated.
    language = (1 - LOUDNESS_WEIGHT) * _unit(meaning, covariance)
    language += LOUDNESS_WEIGHT * _unit(loudness, covariance)
    return _unit(np.where(on_meaning, language, bands), covariance)


def _unit(weights: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights divided by the standard deviation that they give; 0 stays 0."""
    deviation = np.sqrt(np.einsum("lv,lv->v", weights, covariance @ weights))
    scaled: NDArray[np.float64] = weights / np.where(deviation > 0, deviation, 1)
    return scaled
