"""The brains: which latents each target follows, how strongly, and how late."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from encodekit.simulation._places import NOTHING, UNRELATED, Places
from encodekit.simulation._steps import gather

SHARED = 0.7  # of the variance of a map is the same in everybody
MAX_SHIFT = 1.0  # s
CLEAR = (0.02, 0.12)  # of the variance of one run
_REALISTIC_MEDIAN, _REALISTIC_90 = 0.02, 0.08
_MOST = 0.9  # of the variance: what is left must be noise for repeats to differ in

Floats = NDArray[np.float64]
Snr = str | tuple[float, float]


@dataclass(frozen=True)
class Part:
    """Features that a target follows together, and their places among all latents and maps.

    A target follows one of ``seconds``, over which they are gathered; the latents have one block
    of columns for each. A single feature has no map: its weight is 1 everywhere.
    """

    name: str
    n_features: int
    seconds: tuple[float, ...]
    standardise: bool
    first_latent: int
    first_field: int

    @property
    def n_fields(self) -> int:
        """How many maps decide about the weights."""
        return self.n_features if self.n_features > 1 else 0

    @property
    def blocks(self) -> dict[float, slice]:
        """Columns of the latents, by the seconds over which they are gathered."""
        n = self.n_features
        starts = (self.first_latent + k * n for k in range(len(self.seconds)))
        return {s: slice(start, start + n) for s, start in zip(self.seconds, starts, strict=True)}


@dataclass(frozen=True)
class Latents:
    """What may be followed, and by whom: a target of a kind follows parts, each with a weight."""

    parts: tuple[Part, ...]
    followed: Mapping[str, tuple[tuple[int, float], ...]]  # kind -> (part, weight)

    @property
    def n_fields(self) -> int:
        """Maps of the weights, and one of the strength of the signal."""
        return sum(part.n_fields for part in self.parts) + 1

    @property
    def n_columns(self) -> int:
        """How many latents there are."""
        return sum(part.n_features * len(part.seconds) for part in self.parts)

    def side_by_side(self, steps: Sequence[Floats]) -> Floats:
        """Return the latents (step, latent) of one stimulus from the steps of each part."""
        return np.hstack(
            [
                gather(of_part, seconds)
                for part, of_part in zip(self.parts, steps, strict=True)
                for seconds in part.seconds
            ]
        )

    def unrelated(self, rng: np.random.Generator, n_steps: int) -> Floats:
        """Return latents of the same making that know nothing of any stimulus."""
        sizes = [part.n_features for part in self.parts]
        noise = rng.standard_normal((n_steps, sum(sizes)))
        return self.side_by_side(np.split(noise, np.cumsum(sizes)[:-1], axis=1))

    def who_follows(self, part: int, kinds: NDArray[np.str_]) -> NDArray[np.bool_]:
        """Return which targets follow a part."""
        return np.isin(kinds, [k for k, parts in self.followed.items() if part in dict(parts)])


def lay_out(
    parts: Sequence[tuple[str, int, tuple[float, ...], bool]],
    followed: Mapping[str, tuple[tuple[int, float], ...]],
) -> Latents:
    """Return the latents of parts, each (name, n_features, seconds, standardise), in order."""
    placed: list[Part] = []
    latent = field = 0
    for name, n_features, seconds, standardise in parts:
        part = Part(name, n_features, seconds, standardise, latent, field)
        placed.append(part)
        latent, field = latent + n_features * len(seconds), field + part.n_fields
    return Latents(tuple(placed), followed)


def mix(shared: Floats, own: Floats, share: float) -> Floats:
    """Return maps of which ``share`` of the variance is the same in everybody."""
    mixed: Floats = np.sqrt(share) * shared + np.sqrt(1 - share) * own
    return mixed


def smoothing_maps(latents: Latents, places: Places, rng: np.random.Generator) -> Floats:
    """Return (part, vertex): over how many seconds each target gathers a part (NaN: not at all).

    Of several, a smooth map cut at its quantiles decides, the same in everybody.
    """
    maps = np.full((len(latents.parts), len(places)), np.nan)
    for row, part in enumerate(latents.parts):
        rows = latents.who_follows(row, places.follows)
        if len(part.seconds) == 1:
            maps[row, rows] = part.seconds[0]
            continue
        field = places.smooth_fields(rng, 1)[0][rows]
        # argsort of argsort is the rank; rank times 3 over n is the tercile, without a tie.
        ranks = field.argsort().argsort() * len(part.seconds) // max(field.size, 1)
        maps[row, rows] = np.asarray(part.seconds)[ranks]
    return maps


def follows_under(kinds: NDArray[np.str_], null: str | None) -> NDArray[np.str_]:
    """Return what each target follows in the end: its kind, unrelated or nothing."""
    if null == "nothing":
        return np.full(len(kinds), NOTHING)
    if null == "unrelated":
        return np.where(kinds == NOTHING, NOTHING, UNRELATED)
    return kinds


def shares_by_kind(
    kinds: NDArray[np.str_],
    follows: NDArray[np.str_],
    strength: Floats,
    snr: Snr | Mapping[str, Snr],
) -> Floats:
    """Return `shares` where kinds may differ in ``snr``."""
    if not isinstance(snr, Mapping):
        return shares(follows, strength, snr)
    share = np.zeros(len(kinds))
    for kind, of_kind in snr.items():
        share = np.where(kinds == kind, shares(follows, strength, of_kind), share)
    return share


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
    latents: Latents,
    kinds: NDArray[np.str_],
    fields: Floats,
    smoothing: Floats,
    covariance: Floats,
) -> Floats:
    """Return weights (latent, vertex) that give every responding target a variance of 1.

    Each part that a target follows has a variance of 1 before they are weighed, in what THIS
    brain's response makes of the latents; so has their sum, since parts are correlated. With
    weights of .9 and .1, the second alone predicts the target with r = .11.

    Parameters
    ----------
    kinds : array (vertex,)
        Whose parts each target follows.
    fields : array (field, vertex)
        The maps of this brain.
    smoothing : array (part, vertex)
    covariance : array (latent, latent)
        Of the participant's haemodynamic latents within runs.
    """
    weights = np.zeros((latents.n_columns, len(kinds)))
    for kind, followed in latents.followed.items():
        of_kind = kinds == kind
        for part, weight in followed:
            alone = _of_part(latents.parts[part], of_kind, fields, smoothing[part], covariance)
            weights += alone if len(followed) == 1 else weight * _unit(alone, covariance)
    return _unit(weights, covariance)


def _of_part(
    part: Part,
    rows: NDArray[np.bool_],
    fields: Floats,
    seconds: Floats,
    covariance: Floats,
) -> Floats:
    maps = fields[part.first_field : part.first_field + part.n_fields]
    if not part.n_fields:
        maps = np.ones((1, len(rows)))
    spread = np.sqrt(np.diag(covariance))
    weights = np.zeros((len(spread), len(rows)))
    for gathered, columns in part.blocks.items():
        here = rows if len(part.seconds) == 1 else rows & (seconds == gathered)
        # Per deviation, or the loudest band would be all that a target follows.
        scale = _nonzero(spread[columns])[:, None] if part.standardise else 1.0
        weights[columns] = np.where(here, maps / scale, 0)
    return weights


def _unit(weights: Floats, covariance: Floats) -> Floats:
    """Return the weights divided by the standard deviation that they give; 0 stays 0."""
    deviation = np.sqrt(np.einsum("lv,lv->v", weights, covariance @ weights))
    scaled: Floats = weights / _nonzero(deviation)
    return scaled


def _nonzero(deviation: Floats) -> Floats:
    return np.where(deviation > 0, deviation, 1.0)
