"""Brain-Score both ways, by files: its packages and ours cannot share an environment.

An assembly is dims (presentation, neuroid) with ``stimulus_id`` and ``neuroid_id``. What
`save_assembly` writes, ``NeuroidAssembly.from_files`` of brainscore_core reads, and the other way.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import encodekit as ek
from encodekit.core import atomic_write
from encodekit.data import RunList, concat_runs, make_response

_TIMING = ("t_r", "sample_offset")  # s; of all, or of each presentation
_NEUROID = ("participant", "hemisphere", "vertex", "voxel", "region")


def to_assembly(responses: xr.DataArray | Sequence[xr.DataArray]) -> xr.DataArray:
    """Return responses as an assembly (presentation, neuroid): a presentation is a TR.

    ``stimulus_id`` is ``run.tr``; ``story`` is what was heard; ``subject`` is the participant.
    """
    rows = responses if isinstance(responses, xr.DataArray) else concat_runs(responses)
    runs, trs = rows.coords["run"].values, rows.coords["tr"].values
    ids = [f"{run}.{tr:05d}" for run, tr in zip(runs, trs, strict=True)]
    neuroids = {n: ("neuroid", rows.coords[n].values) for n in _NEUROID if n in rows.coords}
    subject = neuroids.pop("participant", ("neuroid", np.full(rows.sizes["target"], "")))
    return xr.DataArray(
        np.asarray(rows.transpose("time", "target").values),
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": ("presentation", np.asarray(ids)),
            "story": ("presentation", rows.coords["stimulus"].values.astype(str)),
            "run": ("presentation", runs.astype(str)),
            "tr": ("presentation", trs),
            "seconds": ("presentation", rows.coords["seconds"].values),
            **{n: ("presentation", rows.coords[n].values) for n in _TIMING if n in rows.coords},
            "neuroid_id": ("neuroid", rows.coords["target"].values.astype(str)),
            "subject": subject,
            **neuroids,
        },
        attrs={k: rows.attrs[k] for k in ("t_r", "sample_offset", "space", "units")
               if k in rows.attrs},
    )  # fmt: skip


def from_assembly(
    assembly: xr.DataArray, *, t_r: float | None = None, first_onset: float = 0.0
) -> dict[str, list[xr.DataArray]]:
    """Return subject -> responses, one per run (or story), of an assembly.

    Parameters
    ----------
    assembly : DataArray (presentation, neuroid)
        Coordinates may be levels of an index, as brainscore_core has them. Presentations of a
        story are its TRs, in order, unless there are coordinates ``tr`` and ``seconds``.
    t_r : float, optional
        s; what the assembly says, of all or of each presentation, if not given.
    first_onset : float
        s of audio of a story's first presentation, without a coordinate ``seconds``.

    Raises
    ------
    ValueError
        Where dims or coordinates are lacking, or nothing says the repetition time.
    """
    plain = _plain(assembly)
    if t_r is not None:
        plain = plain.drop_vars("t_r", errors="ignore").assign_attrs(t_r=float(t_r))
    if "t_r" not in plain.coords and "t_r" not in plain.attrs:
        raise ValueError("the assembly does not say its repetition time: pass t_r=")
    key = "run" if "run" in plain.coords else "story"
    if key not in plain.coords or "subject" not in plain.coords:
        raise ValueError(
            f"the assembly has the coordinates {sorted(map(str, plain.coords))}, expected 'story' "
            "on presentation and 'subject' on neuroid"
        )
    people = list(dict.fromkeys(plain.coords["subject"].values.tolist()))
    runs = list(dict.fromkeys(plain.coords[key].values.tolist()))
    return {
        str(person): RunList(_response(plain, key, run, person, first_onset) for run in runs)
        for person in people
    }


def _plain(assembly: xr.DataArray) -> xr.DataArray:
    if set(assembly.dims) != {"presentation", "neuroid"}:
        raise ValueError(f"dims are {assembly.dims}, expected presentation and neuroid")
    levels = [dim for dim in assembly.dims if isinstance(assembly.indexes.get(dim), pd.MultiIndex)]
    return xr.DataArray(assembly).reset_index(levels).transpose("presentation", "neuroid")


def _response(
    plain: xr.DataArray, key: str, run: str, person: str, first_onset: float
) -> xr.DataArray:
    rows = np.flatnonzero(plain.coords[key].values == run)
    mine = plain.isel(
        presentation=rows, neuroid=np.flatnonzero(plain.coords["subject"].values == person)
    )
    said: dict[str, Any] = {
        n: mine.coords[n].values[0] if n in mine.coords else mine.attrs.get(n) for n in _TIMING
    }
    t_r = float(said["t_r"])
    trs = mine.coords["tr"].values if "tr" in mine.coords else np.arange(rows.size)
    known = "seconds" in mine.coords
    seconds = mine.coords["seconds"].values if known else first_onset + t_r * trs
    story = str(mine.coords["story"].values[0]) if "story" in mine.coords else str(run)
    places = {n: mine.coords[n].values for n in _NEUROID[1:] if n in mine.coords}
    return make_response(
        mine.values,
        run=str(run),
        stimulus=story,
        participant=str(person),
        tr_times=seconds,
        tr=trs,
        t_r=t_r,
        target=mine.coords["neuroid_id"].values.astype(str),
        sample_offset=said["sample_offset"],
        space=str(plain.attrs.get("space", "native")),
        units=str(plain.attrs.get("units", "z")),
        **places,
    )


def save_assembly(assembly: xr.DataArray, path: str | Path) -> Path:
    """Write an assembly as netCDF, as brainscore_core publishes its own; its name is ``data``."""
    content = assembly.rename("data").to_netcdf(engine="scipy")
    return atomic_write(path, bytes(content))


def load_assembly(path: str | Path) -> xr.DataArray:
    """Return an assembly from netCDF, wholly read (netCDF 4 by h5netcdf)."""
    with xr.open_dataarray(path) as stored:
        return stored.load()


class ArtificialSubject:
    """A fitted pipeline that answers as Brain-Score's language subjects do.

    ``digest_text`` reads its texts aloud at a steady pace: words last ``seconds_per_word``, the
    pipeline predicts, and the response to a text is the mean over the TRs from ``lag`` s after
    its first word to ``lag`` s after its last.

    Parameters
    ----------
    pipeline : fitted estimator
        ``predict([stimulus])``, from words alone (such as `encodekit.TextFeatures`).
    name : str
    t_r : float
        s, of the responses that it was fitted on.
    seconds_per_word, lag : float
        s.
    """

    def __init__(
        self,
        pipeline: Any,
        name: str,
        *,
        t_r: float,
        seconds_per_word: float = 0.4,
        lag: float = 4.0,
    ) -> None:
        self.pipeline = pipeline
        self.name = name
        self.t_r = t_r
        self.seconds_per_word = seconds_per_word
        self.lag = lag
        self._records = False

    def identifier(self) -> str:
        """Return the subject's name."""
        return self.name

    def start_behavioral_task(self, task: str) -> None:
        """Raise ValueError: a pipeline predicts the brain, not behaviour."""
        raise ValueError(f"{self.name} predicts responses of the brain and has no task {task!r}")

    def start_neural_recording(self, recording_target: str, recording_type: str) -> None:
        """Begin to record; the type must be fMRI."""
        if recording_type != "fMRI":
            raise ValueError(f"{self.name} predicts fMRI, not {recording_type}")
        self._records = True

    def digest_text(self, text: str | Sequence[str]) -> dict[str, xr.DataArray]:
        """Return {"neural": assembly}, a presentation for each text, in order.

        Raises
        ------
        ValueError
            Before `start_neural_recording`, and for a text without words.
        """
        texts = [text] if isinstance(text, str) else list(text)
        if not self._records:
            raise ValueError(f"{self.name} does not record: call start_neural_recording first")
        empty = [n for n, item in enumerate(texts) if not item.split()]
        if empty:
            raise ValueError(f"text {empty[0]} has no words")
        stimulus, borders = self._read_aloud(texts)
        rows = self.pipeline.predict([stimulus])
        sampled = rows.coords["seconds"].values + self.t_r / 2
        spoken = [
            rows.values[(sampled >= start + self.lag) & (sampled < stop + self.lag + self.t_r)]
            for start, stop in borders
        ]
        whole = to_assembly(rows).isel(presentation=0, drop=True)
        return {"neural": xr.DataArray(
            np.stack([part.mean(axis=0) for part in spoken]),
            dims=("presentation", "neuroid"),
            coords={"stimulus": ("presentation", texts),
                    "stimulus_id": ("presentation", np.arange(len(texts))),
                    **{n: c for n, c in whole.coords.items() if c.dims == ("neuroid",)}},
        )}  # fmt: skip

    def _read_aloud(self, texts: Sequence[str]) -> tuple[ek.Stimulus, list[tuple[float, float]]]:
        words = [word for text in texts for word in text.split()]
        onsets = self.seconds_per_word * np.arange(len(words))
        stops = np.cumsum([len(text.split()) for text in texts]) * self.seconds_per_word
        table = pd.DataFrame({"word": words, "onset": onsets, "duration": self.seconds_per_word})
        end = float(stops[-1]) + self.lag + 2 * self.t_r
        stimulus = ek.Stimulus("text", words=table, t_r=self.t_r, duration=end)
        return stimulus, list(zip([0.0, *stops[:-1].tolist()], stops.tolist(), strict=True))
