"""What a simulated region follows: features of any kind, as time courses at fine steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import shown, unknown_name
from encodekit.data import Stimulus
from encodekit.features import FeatureExtractor
from encodekit.simulation._steps import (
    STEP,
    averaged,
    gather,
    impulses,
    n_steps_of,
    word_impulses,
)

_SLACK = 1.0  # s by which a time course may end before its stimulus does
_KINDS = (
    "a feature extractor, a mapping of stimulus names to DataArrays (time, feature) or to arrays "
    "(n_words, dimension), or a mapping of words to vectors"
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Follows:
    """What a region of `simulate_responses` follows: features, gathered over seconds.

    Parameters
    ----------
    features : FeatureExtractor, mapping or DataArray
        An extractor, fitted if it needs to be: its frames, averaged in steps of .1 s (a line
        between frames that are rarer), or, where frames are events, impulses. A mapping of
        stimulus name to DataArray (time, feature) with ``seconds`` on time, on the audio's clock:
        the same. A mapping of stimulus name to array (n_words, dimension), a row per row of
        ``stimulus.words``: impulses at the words' onsets. A mapping of word to array (dimension,),
        or a DataArray (word, dimension): impulses at the onsets of the words that it has, written
        as in ``stimulus.words``; other words are nothing.
    seconds : float or tuple of float
        Features are summed over that time, up to now; 0 takes them as they are. Of several, each
        target has one, the same in everybody.
    weight : float
        Where a region follows several `Follows`: of this one, whose signal has a variance of 1
        before it is weighed.
    standardise : bool
        Whether a feature counts in units of its standard deviation (in what the haemodynamic
        response makes of it), so that all matter alike. Otherwise features of a larger variance
        matter more, as the first ones of principal components do.

    Examples
    --------
    >>> meaning = Follows({"dog": [1.0, 0.0], "cat": [0.0, 1.0]}, seconds=(2, 4, 8))
    >>> language = [meaning, Follows({"dog": [1.0], "cat": [1.0]}, weight=0.1)]  # and word rate
    """

    features: Any
    seconds: float | tuple[float, ...] = 0.0
    weight: float = 1.0
    standardise: bool = True

    def __post_init__(self) -> None:
        given = np.atleast_1d(np.asarray(self.seconds, dtype=float))
        if not given.size or not (np.isfinite(given) & (given >= 0)).all():
            raise ValueError(f"seconds={self.seconds}, expected 0 or more, one number or several")
        if len(set(given)) < given.size:
            raise ValueError(f"seconds={self.seconds} holds a number twice: give each once")
        if not (np.isfinite(self.weight) and self.weight > 0):
            raise ValueError(f"weight={self.weight}, expected a number above 0")
        object.__setattr__(self, "features", _readable(self.features))

    @property
    def gathered_over(self) -> tuple[float, ...]:
        """The seconds, always several."""
        return tuple(np.atleast_1d(np.asarray(self.seconds, dtype=float)).tolist())

    def steps(self, stimulus: Stimulus) -> Floats:
        """Return the features (step, feature) of one stimulus, ten steps a second."""
        n_steps = n_steps_of(stimulus)
        steps = _steps(self.features, stimulus, n_steps)
        if not np.isfinite(steps).all():
            raise ValueError(
                f"what is followed in stimulus {stimulus.name!r} is NaN or infinite in "
                f"{int((~np.isfinite(steps)).any(axis=1).sum())} of {n_steps} steps of {STEP:g} s"
            )
        return steps

    def gathered(self, stimulus: Stimulus) -> Floats:
        """Return what may be followed (step, seconds x feature), the first seconds first."""
        steps = self.steps(stimulus)
        return np.hstack([gather(steps, seconds) for seconds in self.gathered_over])


def _readable(features: Any) -> Any:
    """Return ``features`` if it is one of the kinds that can be followed; words as a mapping."""
    if isinstance(features, xr.DataArray):
        if features.dims != ("word", features.dims[-1]) or "word" not in features.coords:
            raise TypeError(
                f"a DataArray with the dims {features.dims} is followed: expected {_KINDS}, or a "
                "DataArray (word, dimension); time courses are {stimulus name: DataArray}"
            )
        words = features["word"].values.tolist()
        return dict(zip(words, np.asarray(features.values, dtype=float), strict=True))
    if isinstance(features, FeatureExtractor):
        return features
    if not (isinstance(features, Mapping) and features):
        raise TypeError(f"{shown(features)} is followed: expected {_KINDS}")
    if all(isinstance(item, xr.DataArray) for item in features.values()):
        return {name: _time_course(name, item) for name, item in features.items()}
    arrays = {name: np.asarray(item, dtype=float) for name, item in features.items()}
    shapes = {(array.ndim, array.shape[-1:]) for array in arrays.values()}
    if len(shapes) > 1 or next(iter(arrays.values())).ndim not in (1, 2):
        raise TypeError(
            f"a mapping of arrays of the shapes {sorted({a.shape for a in arrays.values()})[:4]} "
            f"is followed: expected {_KINDS}, all with the same number of dimensions"
        )
    return arrays


def _time_course(name: str, course: xr.DataArray) -> xr.DataArray:
    if course.dims != ("time", "feature") or "seconds" not in course.coords:
        raise TypeError(
            f"the time course of {name!r} has the dims {course.dims} and the coordinates "
            f"{sorted(map(str, course.coords))}: expected (time, feature) with seconds on time"
        )
    return course


def _steps(features: Any, stimulus: Stimulus, n_steps: int) -> Floats:
    if isinstance(features, FeatureExtractor):
        blocks = list(features.frame_blocks(stimulus))
        seconds = np.concatenate([block["seconds"].values for block in blocks]).astype(float)
        values = np.concatenate([block.values for block in blocks]).astype(float)
        if features.events or features.resample == "sum":
            return impulses(seconds, values, n_steps)
        return averaged(seconds, values, n_steps)
    first = next(iter(features.values()))
    if not isinstance(first, xr.DataArray) and first.ndim == 1:
        return word_impulses(_words(stimulus), features, n_steps)
    if stimulus.name not in features:
        told = unknown_name("stimulus", stimulus.name, features)
        raise ValueError(f"what is followed is not given for all stimuli: {told}")
    given = features[stimulus.name]
    if isinstance(given, xr.DataArray):
        return _course_steps(given, stimulus, n_steps)
    words = _words(stimulus)
    if len(given) != len(words):
        raise ValueError(
            f"stimulus {stimulus.name!r} has {len(words)} words and {len(given)} vectors are "
            "given for it: give a row for each row of stimulus.words"
        )
    return impulses(words["onset"].to_numpy(dtype=float), given, n_steps)


def _course_steps(course: xr.DataArray, stimulus: Stimulus, n_steps: int) -> Floats:
    seconds = course["seconds"].values.astype(float)
    ends = [float(seconds.min(initial=np.inf)), float(seconds.max(initial=-np.inf))]
    step = float(np.median(np.diff(seconds))) if seconds.size > 1 else 0.0
    slack = max(_SLACK, 2 * step)
    if ends[0] > slack or ends[1] < n_steps * STEP - slack:
        raise ValueError(
            f"the time course of {stimulus.name!r} is from {ends[0]:g} to {ends[1]:g} s, but the "
            f"stimulus from 0 to {n_steps * STEP:g} s: give all of it, in s of its audio"
        )
    return averaged(seconds, course.values.astype(float), n_steps)


def _words(stimulus: Stimulus) -> Any:
    if stimulus.words is None:
        raise ValueError(
            f"stimulus {stimulus.name!r} has no words, and vectors of words are followed: pass "
            "Stimulus(words=)"
        )
    return stimulus.words


def followed_by(follow: Any) -> dict[str, tuple[Follows, ...]]:
    """Return what each region follows; nothing where that is None."""
    if not isinstance(follow, Mapping):
        raise TypeError(f"follow is {shown(follow)}: expected a mapping of region to {_KINDS}")
    followed = {}
    for region, item in follow.items():
        listed = item if isinstance(item, list | tuple) else [] if item is None else [item]
        parts = (part if isinstance(part, Follows) else Follows(part) for part in listed)
        followed[str(region)] = tuple(parts)
    return followed
