"""What was played while one run was scanned."""

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from encodekit.core import refuse
from encodekit.data import _audio
from encodekit.data._timing import round_t_r
from encodekit.data._word_tables import Length, hash_more, hash_table, table_mistakes

_CLOSE = 1e-6  # s; rounding of onsets that are multiples of the TR
_LONGEST_T_R = 60.0  # s; more is milliseconds
_LATE = 2.0  # s; speech that begins later has an onset of its own
_LOOSE = 0.1  # TRs; how far onsets that a scanner wrote may be from the beat


@dataclass(frozen=True, eq=False)
class Stimulus:
    """What was played while one run was scanned: sound, words, and when the TRs were.

    Parameters
    ----------
    name : str
        What was heard (``"story-03"``); the group of cross-validation.
    audio : path, array (n_samples,) of floats, or None
        The sound, in -1..1; a path is read when it is asked for.
    sampling_rate : int, optional
        Hz. Needed for arrays; read from the file for paths (another stated rate raises).
    words, phones : DataFrame, optional
        Columns ``word`` (``phone``), ``onset``, ``duration`` in seconds, sorted by onset; a
        duration of 0 where it is not known.
    tr_times : array (n_trs,), optional
        Onset of each TR within the audio, s. Without them the grid is
        ``arange(0, duration, t_r)``: a stimulus that has no response yet.
    t_r : float, optional
        Repetition time, s; the median step of ``tr_times`` if not given.
    duration : float, optional
        s; for a grid without a response; the audio's duration if not given.
    run : str, optional
        The unique name of the run; ``name`` if not given.
    sample_offset : float, optional
        Where within a TR features are evaluated, s after its onset; half a TR if not given.
    gap : float, optional
        Only for a segment of one long run: the seconds that separate it from its neighbours, so
        that two segments of one audio count as disjoint (see `Study.segment`).

    Raises
    ------
    ValueError
        With every mistake in one message: rates that differ, NaN in the audio, TR times that do
        not increase or lie outside the audio, tables without their columns.

    Examples
    --------
    >>> import numpy as np
    >>> story = Stimulus("story-1", np.zeros(16000 * 10), 16000, t_r=2.0)
    >>> story.n_trs, story.grid.tolist(), story.offset
    (5, [0.0, 2.0, 4.0, 6.0, 8.0], 1.0)
    """

    name: str
    audio: str | Path | NDArray[Any] | None = None
    sampling_rate: int | None = None
    words: pd.DataFrame | None = None
    phones: pd.DataFrame | None = None
    tr_times: NDArray[np.float64] | None = None
    t_r: float | None = None
    duration: float | None = None
    run: str | None = None
    sample_offset: float | None = None
    gap: float | None = None

    def __post_init__(self) -> None:
        refuse(f"stimulus {self.name!r}", [*self._take_audio(), *self._take_times()])
        refuse(f"stimulus {self.name!r}", [*self._grid_mistakes(), *self._table_mistakes()])

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _take_audio(self) -> list[str]:
        if self.audio is None:
            return []
        if isinstance(self.audio, str | Path):
            return self._take_file(Path(self.audio))
        audio = np.asarray(self.audio).view()
        audio.flags.writeable = False
        self._set("audio", audio)
        mistakes = _audio.array_mistakes(audio)
        if self.sampling_rate is None or not self.sampling_rate > 0:
            mistakes.append(
                f"sampling_rate is {self.sampling_rate}, expected Hz: an array does not say "
                "how fast it is played"
            )
        if not mistakes:
            self._set("_n_samples", audio.size)
        return mistakes

    def _take_file(self, path: Path) -> list[str]:
        n_samples, rate = _audio.describe_file(path, self.sampling_rate)
        self._set("_n_samples", n_samples)
        stated = self.sampling_rate
        self._set("sampling_rate", rate)
        if stated is not None and stated != rate:
            return [
                f"sampling_rate is stated as {stated} Hz but the file {path.name!r} has {rate} Hz: "
                "leave it out (it is read from the file), or pass the right file"
            ]
        return [f"audio file {path.name!r} has no samples"] if n_samples == 0 else []

    def _take_times(self) -> list[str]:
        mistakes = []
        if self.tr_times is not None:
            times = np.array(self.tr_times, dtype=np.float64)
            times.flags.writeable = False
            self._set("tr_times", times)
            mistakes += _increasing_mistakes(times)
            if self.t_r is None and not mistakes and times.size > 1:
                self._set("t_r", float(np.median(np.diff(times))))
        if self.t_r is not None:
            self._set("t_r", round_t_r(self.t_r))
        for name in ("t_r", "duration"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                mistakes.append(f"{name} is {value}, expected seconds above 0")
        if not mistakes and self.t_r is not None and self.t_r > _LONGEST_T_R:
            mistakes.append(
                f"t_r is {self.t_r:g} s: times are in seconds, are these milliseconds? Then pass "
                f"{self.t_r / 1000:g}, and tr_times in seconds too"
            )
        return mistakes

    def _grid_mistakes(self) -> list[str]:
        mistakes = []
        end = self.audio_duration
        if self.duration is not None and end is not None and self.duration > end + _CLOSE:
            mistakes.append(f"duration is {self.duration:g} s but the audio has {end:g} s")
        if self.tr_times is None:
            return mistakes
        if self.t_r is None:
            return [*mistakes, "t_r is None and one TR time does not tell it: pass t_r="]
        mistakes += _step_mistakes(self.tr_times, self.t_r)
        sampled = self.tr_times + self.offset
        outside = (sampled < -_CLOSE) | (sampled > (np.inf if end is None else end + _CLOSE))
        if outside.any():
            limit = "from 0 s" if end is None else f"within 0..{end:g} s of audio"
            if end is not None and self.tr_times.max() / 1000 <= end and outside.mean() > 0.5:
                limit += ": are these milliseconds? Otherwise"
            else:
                limit += ":"
            mistakes.append(
                f"{int(outside.sum())} of {sampled.size} TR times lie outside the audio: TR "
                f"{np.flatnonzero(outside)[0]} is sampled at {sampled[outside][0]:g} s (onset + "
                f"sample_offset), expected {limit} drop these TRs from tr_times and the response"
            )
        return mistakes

    def _table_mistakes(self) -> list[str]:
        run = self.duration
        if self.tr_times is not None:
            run = float(self.tr_times[-1]) + (self.t_r or 0.0)
        length = Length(self.audio_duration, run, self.sampling_rate)
        tables = (("word", self.words), ("phone", self.phones))
        return [
            mistake
            for label, table in tables
            if table is not None
            for mistake in table_mistakes(table, label, length)
        ]

    def __getstate__(self) -> dict[str, Any]:
        names = [*(field.name for field in fields(self)), "_n_samples", "_stated_hash"]
        return {name: vars(self)[name] for name in names if name in vars(self)}

    def __repr__(self) -> str:
        run = "" if self.run_name == self.name else f", run={self.run!r}"
        heard = "no audio" if self.audio is None else f"{self.audio_duration:.1f} s of audio"
        n_words = "" if self.words is None else f", {len(self.words)} words"
        n_trs = f", {self.n_trs} TRs of {self.t_r:g} s" if self.t_r is not None else ""
        return f"Stimulus({self.name!r}{run}: {heard}{n_words}{n_trs})"

    @property
    def run_name(self) -> str:
        """The unique name of the run."""
        return self.name if self.run is None else self.run

    @property
    def audio_duration(self) -> float | None:
        """Seconds of audio; None where there is none."""
        if self.audio is None or self.sampling_rate is None:
            return None
        return float(vars(self)["_n_samples"]) / self.sampling_rate

    @property
    def sound_onset(self) -> float:
        """When what is heard begins, s within the audio: the first word, where that is late; or 0.

        Within two seconds of the start, it is the start.
        """
        first = 0.0 if self.words is None or self.words.empty else float(self.words["onset"].min())
        return first if first >= _LATE else 0.0

    @property
    def offset(self) -> float:
        """Seconds after a TR's onset at which features are evaluated."""
        if self.sample_offset is not None:
            return float(self.sample_offset)
        return self._repetition_time() / 2

    @property
    def n_trs(self) -> int:
        """Number of TRs."""
        return int(self.grid.size)

    @cached_property
    def grid(self) -> NDArray[np.float64]:
        """Onset of each TR within the audio, s, (n_trs,)."""
        if self.tr_times is not None:
            return self.tr_times
        end = self.audio_duration if self.duration is None else self.duration
        if end is None:
            raise ValueError(
                f"stimulus {self.name!r} has neither tr_times nor a duration: pass tr_times=, or "
                "t_r= with duration= or audio"
            )
        t_r = self._repetition_time()
        onsets = np.arange(int(np.ceil(end / t_r)) + 1, dtype=np.float64) * t_r
        heard = (onsets < end - _CLOSE) & (onsets + self.offset <= end + _CLOSE)
        grid = onsets[heard]
        grid.flags.writeable = False
        return grid

    def _repetition_time(self) -> float:
        if self.t_r is None:
            raise ValueError(f"stimulus {self.name!r} has no t_r: pass t_r= or tr_times=")
        return float(self.t_r)

    def load_audio(self, rate: int | None = None) -> NDArray[np.float32]:
        """Return the samples, mono float32 (n_samples,), at ``rate`` Hz or as they are.

        Raises
        ------
        ValueError
            Where there is no audio, or it is empty, holds NaN or infinite samples, or is in units
            of integers; where the file is damaged or cut short, or holds another sound than when
            ``audio_hash`` was taken.
        """
        subject = f"stimulus {self.name!r}"
        if self.audio is None or self.sampling_rate is None:
            raise ValueError(f"{subject} has no audio: pass audio= where features need sound")
        if isinstance(self.audio, str | Path):
            samples, where = _audio.decode_file(Path(self.audio)), f", {str(self.audio)!r}"
        else:
            where = ""
            samples = np.array(self.audio, dtype=np.float32)
        samples = _audio.checked(samples, f"{subject}{where}")
        stated = vars(self).get("_stated_hash", vars(self).get("audio_hash")) if where else None
        if stated not in (None, _audio.hash_samples(samples, self.sampling_rate)):
            raise ValueError(
                f"{subject}{where}: the file is damaged, or was exchanged since its hash was "
                "taken: copy it again, or make the stimulus anew"
            )
        return samples if rate is None else _audio.resample(samples, self.sampling_rate, rate)

    @cached_property
    def audio_hash(self) -> str:
        """The sha256 of the decoded samples and their rate (without audio: of the words)."""
        if "_stated_hash" in vars(self):
            return str(vars(self)["_stated_hash"])
        if self.audio is not None and self.sampling_rate is not None:
            return _audio.hash_samples(self.load_audio(), self.sampling_rate)
        if self.words is not None:
            return hash_table(self.words, "word")
        return hashlib.sha256(f"name {self.name}".encode()).hexdigest()

    def _state_hash(self, audio_hash: str) -> Self:
        """Take ``audio_hash`` as known; the sound is checked against it whenever it is loaded."""
        self._set("_stated_hash", audio_hash)
        return self

    @property
    def heard_hash(self) -> str:
        """What tells what was heard from what others heard: ``audio_hash``, and of a segment when.

        Two segments of one audio have two, see `check_disjoint` for which of them overlap.
        """
        if self.gap is None:
            return self.audio_hash
        start, stop = float(self.grid[0]), float(self.grid[-1]) + self._repetition_time()
        return f"{self.audio_hash} {start:.10g} {stop:.10g} {self.gap:.10g}"

    @cached_property
    def content_hash(self) -> str:
        """The sha256 of everything heard: audio, words, phones, and their other columns."""
        digest = hashlib.sha256(self.audio_hash.encode())
        for label, table in (("word", self.words), ("phone", self.phones)):
            if table is not None:
                digest.update(hash_table(table, label).encode())
                digest.update(hash_more(table, label))
        return digest.hexdigest()

    def history_grid(self, seconds: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return (tr, onset) of the grid extended to the left by up to ``seconds``.

        Rows of history carry a negative ``tr``; only TRs that are sampled within the audio
        (onset + offset >= 0) are added.
        """
        if seconds < 0:
            raise ValueError(f"history is {seconds} s, expected 0 or more")
        grid, t_r = self.grid, self._repetition_time()
        first = float(grid[0]) if grid.size else 0.0
        back = np.arange(int(np.floor(seconds / t_r + _CLOSE)), 0, -1, dtype=np.int64)
        onsets = first - back * t_r
        heard = onsets + self.offset >= -_CLOSE
        trs = np.concatenate([-back[heard], np.arange(grid.size, dtype=np.int64)])
        return trs, np.concatenate([onsets[heard], grid])


def _increasing_mistakes(times: NDArray[np.float64]) -> list[str]:
    if times.ndim != 1 or times.size == 0:
        return [f"tr_times has shape {times.shape}, expected (n_trs,) with at least one TR"]
    if not np.isfinite(times).all():
        return ["tr_times holds NaN or infinite values: give the onset of each TR in seconds"]
    back = np.flatnonzero(np.diff(times) <= 0)
    if back.size == 0:
        return []
    at = int(back[0])
    return [
        f"tr_times does not increase: TR {at + 1} is at {times[at + 1]:g} s after TR {at} at "
        f"{times[at]:g} s: sort the TRs, together with the response's rows"
    ]


def _step_mistakes(times: NDArray[np.float64], t_r: float) -> list[str]:
    """TRs may be left out and runs may pause, but the closest two are whole TRs apart."""
    if times.size < 2:
        return []
    step = float(np.diff(times).min())
    if abs(step / t_r - max(round(step / t_r), 1)) < _LOOSE:
        return []
    return [
        f"t_r is {t_r:g} s but the closest TRs of tr_times are {step:g} s apart: pass one of them "
        "alone, or make them agree"
    ]
