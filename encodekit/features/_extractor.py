"""The base of every feature extractor: a subclass writes ``frames`` alone."""

import inspect
import json
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from encodekit.core import __version__, progress, unknown_name
from encodekit.data import Stimulus, check_run_names, concat_runs
from encodekit.data._timing import say_seconds
from encodekit.features._cache import cache_folder, describe, make_key, read_rows, write_rows
from encodekit.features._lanczos import Lanczos
from encodekit.features._resampling import TrRows
from encodekit.plugins import HasSettings, settings_of

Tick = Callable[[float], None]
_BEYOND = 30.0  # s after the audio's end that frames may reach: the longest clip that models pad


class FeatureExtractor(HasSettings, TransformerMixin, BaseEstimator):
    """A list of `Stimulus` in, one DataArray (time, feature) on the grid of the TRs out.

    A subclass writes ``frames(stimulus)``; the base resamples the frames to the TRs' sample
    times (onset + ``sample_offset``) on the grid extended to the left by ``history``, writes the
    coordinates, and caches by content. Defaults are class attributes: a subclass sets its own,
    and without an ``__init__`` it takes them as keywords.

    Parameters
    ----------
    history : float
        Seconds before the first TR for which rows are made too, as far as the audio had begun
        (rows of negative ``tr``): what a `Delayer` or `CanonicalHRF` needs.
    resample : "lanczos", "mean", "sum" or Lanczos
        How frames become rows. ``"lanczos"``: `Lanczos`, by which a constant signal keeps its
        value (to .3 %) whatever its frame rate, while events (class attribute ``events``) and
        frames at irregular times are summed as published. ``"mean"`` and ``"sum"``: of the frames
        within the TR. Or a `Lanczos` of your own.
    cache : None, "auto" or path
        Where rows are kept. ``"auto"`` is ``$ENCODEKIT_CACHE/features``, or the user's cache
        folder. They are found again by the content of the stimulus, its grid, the class and its
        source, its parameters and ``weights_hash()``.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from encodekit.data import Stimulus
    >>> class Loudness(FeatureExtractor):
    ...     resample = "mean"
    ...     def frames(self, stimulus):
    ...         sound = stimulus.load_audio(16000)
    ...         power = (sound[: sound.size // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1)
    ...         seconds = (np.arange(power.size) + 0.5) / 100
    ...         return xr.DataArray(power[:, None], dims=("time", "feature"),
    ...                             coords={"seconds": ("time", seconds)})
    >>> story = Stimulus("story-1", np.ones(16000 * 10, "float32"), 16000, t_r=2.0)
    >>> Loudness().transform([story]).values.ravel().tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """

    history: float = 16.0
    resample: str | Lanczos = "lanczos"
    cache: str | Path | None = None
    events: bool = False  # whether frames are events (word onsets), not samples of a signal
    _same_result: tuple[str, ...] = ("cache", "history")  # parameters that change no value

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        inherited = cls.__init__ is object.__init__ or hasattr(cls.__init__, "of_class_attributes")
        if inherited:
            cls.__init__ = _class_defaults(cls)  # type: ignore[method-assign]

    def __getattr__(self, name: str) -> Any:
        """Raise AttributeError: what was meant, or that ``__init__`` does not store it."""
        cls = type(self)
        if name.startswith("__"):  # asked for by copy and pickle, also before there is anything
            raise AttributeError(f"{cls.__name__!r} object has no attribute {name!r}")
        if name in inspect.signature(cls).parameters:
            raise AttributeError(
                f"{cls.__name__}.__init__ takes {name} and does not store it: self.{name} = {name}"
            )
        known = sorted(known for known in {*vars(self), *dir(cls)} if not known.startswith("__"))
        told = unknown_name("attribute", name, known)
        raise AttributeError(f"{cls.__name__}: {told}", name=name, obj=self)

    @abstractmethod
    def frames(self, stimulus: Stimulus) -> xr.DataArray:
        """Return the frames (time, feature) of one stimulus, with ``seconds`` on time.

        Times may be irregular (word onsets) but do not decrease; no value is NaN. A coordinate
        ``name`` on feature names the features.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no frames: write frames(self, stimulus), which returns a "
            "DataArray (time, feature)"
        )

    def frame_blocks(self, stimulus: Stimulus) -> Iterator[xr.DataArray]:
        """Yield the frames in blocks, in order of time; override it where they are many."""
        yield self.frames(stimulus)

    def weights_hash(self) -> str | None:
        """Return what identifies the fitted or pretrained weights; None where there are none."""
        return None

    def fit(self, X: Sequence[Stimulus], y: Any = None) -> Self:
        """Return self: there is nothing to fit."""
        return self

    def transform(self, X: Sequence[Stimulus]) -> xr.DataArray:
        """Return the features of all runs.

        Parameters
        ----------
        X : list of Stimulus
            One per run; run names are unique.

        Returns
        -------
        DataArray (time, feature), float32
            time: ``run``, ``stimulus``, ``tr`` (negative for history), ``seconds``; feature:
            ``name`` and what ``frames`` gave; the attribute ``heard`` has `Stimulus.heard_hash` of
            each run, as JSON.

        Raises
        ------
        ValueError
            If two runs share a name, or the frames are not as described.

        Warns
        -----
        UserWarning
            If these are counts per TR and the runs have several TRs.
        """
        stimuli = check_stimuli(X, type(self).__name__)
        ends = [float(stimulus.grid[-1]) for stimulus in stimuli]
        with progress(f"{type(self).__name__} ({len(stimuli)} runs)", sum(ends)) as tick:
            rows = concat_runs([self._run_rows(stimulus, tick) for stimulus in stimuli])
        if (self.events or self.resample == "sum") and "t_r" in rows.coords:
            warnings.warn(
                f"{type(self).__name__} counts per TR, and the runs have TRs of "
                f"{say_seconds(rows.coords['t_r'].values.tolist())}, so a count means other rates "
                "in each: z-score every run (RunScaler) before one weight serves all",
                stacklevel=2,
            )
        rows.attrs["heard"] = json.dumps({item.run_name: item.heard_hash for item in stimuli})
        return rows

    def _run_rows(self, stimulus: Stimulus, tick: Tick) -> xr.DataArray:
        folder = cache_folder(self.cache)
        if folder is None:
            return self._on_grid(stimulus, *self._compute(stimulus, tick))
        path = folder / f"{self._key(stimulus)}.safetensors"
        kept = read_rows(path)
        if kept is None:
            rows = self._on_grid(stimulus, *self._compute(stimulus, tick))
            write_rows(path, rows)
            return rows
        tick(float(stimulus.grid[-1]))
        return self._on_grid(stimulus, *kept)

    def _key(self, stimulus: Stimulus) -> str:
        weights = self.weights_hash()
        fitted = [name for name in vars(self) if name.endswith("_") and name[0] != "_"]
        if fitted and weights is None:
            raise ValueError(
                f"{type(self).__name__} has fitted {fitted[0]} but weights_hash() is None, so the "
                "cache cannot tell one fit from another: override weights_hash, or cache=None"
            )
        _, onsets = stimulus.history_grid(self.history)
        cls = type(self)
        return make_key(
            __version__, stimulus.content_hash, cls.__module__, cls.__qualname__, _source(cls),
            describe(self._described()), describe({"resample": self.resample}), weights,
            onsets, stimulus.offset, stimulus.t_r,
        )  # fmt: skip

    def _described(self) -> dict[str, Any]:
        """Return what decides the features' values: settings as objects, also where named."""
        parameters = self.get_params(deep=False)
        parameters |= {name: self.setting(name) for name in settings_of(type(self))}
        return {name: parameters[name] for name in parameters if name not in self._same_result}

    def _compute(self, stimulus: Stimulus, tick: Tick) -> tuple[NDArray[Any], dict[str, Any]]:
        _, onsets = stimulus.history_grid(self.history)
        times = onsets + stimulus.offset
        rows = TrRows(self.resample, times, _t_r(stimulus), events=self.events)
        names: dict[str, Any] = {}
        done, end = 0.0, float(stimulus.grid[-1])
        subject = f"{type(self).__name__}.frames of run {stimulus.run_name!r}"
        for block in self.frame_blocks(stimulus):
            seconds = _checked_seconds(block, subject, stimulus.audio_duration)
            names = names or _feature_coordinates(block, type(self).__name__)
            _add(rows, seconds, block.values, subject)
            reached = min(float(seconds[-1]), end) if seconds.size else done
            tick(reached - done)
            done = reached
        tick(end - done)
        try:
            return rows.rows(), names
        except ValueError as error:
            raise ValueError(f"run {stimulus.run_name!r}: {error}") from error

    def _on_grid(
        self, stimulus: Stimulus, values: NDArray[Any], names: dict[str, Any]
    ) -> xr.DataArray:
        trs, onsets = (part[-len(values) :] for part in stimulus.history_grid(self.history))
        return xr.DataArray(  # precomputed rows may lack those of history
            values,
            dims=("time", "feature"),
            coords={
                "run": ("time", np.full(trs.size, stimulus.run_name)),
                "stimulus": ("time", np.full(trs.size, stimulus.name)),
                "tr": ("time", trs),
                "seconds": ("time", onsets),
                **{name: ("feature", np.asarray(item)) for name, item in names.items()},
            },
            attrs=self._attrs(stimulus),
        )

    def _attrs(self, stimulus: Stimulus) -> dict[str, Any]:
        return {
            "extractor": type(self).__name__,
            "parameters": describe_or_repr(self._described()),
            "weights": self.weights_hash() or "",
            "history": float(self.history),
            "t_r": _t_r(stimulus),
            "sample_offset": stimulus.offset,
        }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        return tags


def check_stimuli(X: Any, caller: str) -> list[Stimulus]:
    """Return ``X`` as a list of stimuli whose run names are unique, or raise."""
    if isinstance(X, Stimulus):
        raise TypeError(f"{caller} takes a list of Stimulus, one per run: wrap it, [stimulus]")
    if hasattr(X, "stimuli"):
        raise TypeError(f"{caller} takes a list of Stimulus, got a {type(X).__name__}: pass "
                        "its .stimuli")  # fmt: skip
    stimuli = list(X)
    for item in stimuli:
        if not isinstance(item, Stimulus):
            raise TypeError(
                f"{caller} takes a list of Stimulus, got a {type(item).__name__} in it: make each "
                "run one, ek.Stimulus(name, audio, t_r=...), with sampling_rate= for an array"
            )
    if not stimuli:
        raise ValueError(f"{caller} got no stimulus: pass at least one run")
    check_run_names((stimulus.run_name for stimulus in stimuli), caller)
    return stimuli


def describe_or_repr(parameters: dict[str, Any]) -> str:
    """Return parameters as JSON, or as text where a value has no lasting description."""
    try:
        return describe(parameters)
    except ValueError:
        return repr(parameters)


def _class_defaults(cls: type[FeatureExtractor]) -> Callable[..., None]:
    """Return an ``__init__`` whose defaults are the class attributes."""

    def init(
        self: FeatureExtractor,
        *,
        history: float = cls.history,
        resample: str | Lanczos = cls.resample,
        cache: str | Path | None = cls.cache,
    ) -> None:
        self.history = history
        self.resample = resample
        self.cache = cache

    init.__name__ = "__init__"
    init.of_class_attributes = True  # type: ignore[attr-defined]
    return init


def _t_r(stimulus: Stimulus) -> float:
    if stimulus.t_r is None:
        raise ValueError(f"stimulus {stimulus.name!r} has no t_r: pass t_r= or tr_times=")
    return float(stimulus.t_r)


def _source(cls: type) -> str:
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):
        return ""


def _add(rows: TrRows, seconds: NDArray[Any], values: NDArray[Any], subject: str) -> None:
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise ValueError(
            f"{subject} are NaN or infinite in {bad.size} of {seconds.size} frames, the first at "
            f"{seconds[bad[0]]:g} s: decide in frames() what such frames mean"
        )
    rows.add(seconds, np.asarray(values, dtype=np.float32))


def _checked_seconds(block: Any, subject: str, lasts: float | None) -> NDArray[np.float64]:
    wanted = "a DataArray (time, feature) with the coordinate 'seconds' on time"
    if not isinstance(block, xr.DataArray):
        raise ValueError(f"{subject}: expected {wanted}, got a {type(block).__name__}")
    if block.dims != ("time", "feature"):
        raise ValueError(f"{subject}: expected {wanted}, got the dims {block.dims}")
    if "seconds" not in block.coords or block.coords["seconds"].dims != ("time",):
        there = ", ".join(map(str, block.coords)) or "none"
        raise ValueError(
            f"{subject} have no coordinate 'seconds' on time (coordinates: {there}): add "
            "coords={'seconds': ('time', seconds)}, when each frame is, in s"
        )
    seconds: NDArray[np.float64] = block.coords["seconds"].values.astype(np.float64)
    if not np.isfinite(seconds).all() or (np.diff(seconds) < 0).any():
        raise ValueError(f"{subject}: 'seconds' must be finite and not decrease: sort the frames")
    # Without audio there is no end: words may go on long after the last TR.
    if lasts is not None and seconds.size and seconds[-1] > lasts + _BEYOND:
        raise ValueError(
            f"{subject} reach {seconds[-1]:g} s but the audio lasts {lasts:g} s: are these samples "
            "or frame numbers? 'seconds' are s after the audio began"
        )
    return seconds


def _feature_coordinates(block: xr.DataArray, prefix: str) -> dict[str, Any]:
    found = {
        str(name): block.coords[name].values
        for name in block.coords
        if block.coords[name].dims == ("feature",)
    }
    index = found.pop("feature", None)
    if "name" not in found:
        numbered = [f"{prefix}.{i:03d}" for i in range(block.sizes["feature"])]
        found["name"] = np.asarray(numbered if index is None else index, dtype=str)
    return found
