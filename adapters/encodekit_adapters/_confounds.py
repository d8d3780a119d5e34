"""fMRIPrep's confounds: loaded by nilearn, and taken out of a run when it is computed."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import encodekit as ek
from encodekit.core import present_file, unknown_name
from encodekit_adapters._bids_names import inherited
from encodekit_adapters._bids_runs import BoldRun
from encodekit_adapters._need import need

PRESETS = ("simple", "scrubbing", "compcor", "ica_aroma")
_PRESET = "denoise_strategy"
# (desc, suffixes) of the tables that nilearn reads; the last two are of tedana
_FILES = (
    ("confounds", ("timeseries", "regressors"), "timeseries"),
    ("ICA", ("mixing",), "mixing"),
    ("tedana", ("metrics",), "metrics"),
)
# The images that nilearn asks for by name in a strategy; confounds of any other are the run's.
_OF_STRATEGIES = ("smoothAROMAnonaggr", "optcom")
_PLAIN = "sub-x_desc-"
_HAS_COSINES = 64.0  # s; a run that lasts longer has at least one

Confounds = str | Sequence[str] | Mapping[str, Any]


@dataclass(frozen=True)
class Strategy:
    """Which confounds nilearn loads: the keyword arguments of one of its two functions."""

    given: dict[str, Any]

    @classmethod
    def of(cls, confounds: Confounds) -> "Strategy":
        """Return the strategy that a user names: strategies, keyword arguments or a preset.

        Raises
        ------
        ValueError
            Where a name alone is no preset, or a mapping names a preset and a strategy.
        """
        if isinstance(confounds, Mapping):
            if _PRESET in confounds and "strategy" in confounds:
                raise ValueError(
                    f"confounds has both {_PRESET!r} and 'strategy': give the preset, or the "
                    "strategy with its parameters"
                )
            return cls(dict(confounds))
        if not isinstance(confounds, str):
            return cls({"strategy": tuple(confounds)})
        if confounds not in PRESETS:
            raise ValueError(
                f"confounds={confounds!r}: {unknown_name('preset', confounds, PRESETS)}; a "
                f"strategy of one is confounds=({confounds!r},)"
            )
        return cls({_PRESET: confounds})

    @property
    def has_high_pass(self) -> bool:
        """Whether the confounds hold the drifts; all presets do, and nilearn's own default."""
        return "high_pass" in self.given.get("strategy", ("high_pass",))

    @property
    def remover(self) -> ek.ConfoundRemover:
        """What takes the confounds out, and the drifts unless they are among them."""
        return ek.ConfoundRemover(n_cosines=0 if self.has_high_pass else None)


def load_confounds(
    run: BoldRun, strategy: Strategy, n_volumes: int, t_r: float
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Return (table, True where a TR is kept) of all volumes of a run, by nilearn.

    Raises
    ------
    FileNotFoundError
        Where the run has no table of confounds.
    ValueError
        What nilearn says, with the run before it; where the table has another length than the run.
    """
    interfaces = need("nilearn.interfaces.fmriprep", extra="bids", purpose="loading confounds")
    preset = _PRESET in strategy.given
    load = interfaces.load_confounds_strategy if preset else interfaces.load_confounds
    with _plainly_named(run) as (image, folder):
        try:
            table, kept = load(image, **strategy.given)
        except Exception as error:
            told = str(error).replace(str(folder), str(run.files[0].parent))
            raise ValueError(f"{run.where}: {told}") from error
    table = pd.DataFrame(index=range(n_volumes)) if table is None else table
    if table.shape[1] and len(table) != n_volumes:
        raise ValueError(
            f"{run.where}: the confounds have {len(table)} rows but the run has {n_volumes} TRs: "
            "one of the two was cut short"
        )
    # fMRIPrep's cosines are of periods above 128 s: half a period fits into 64 s.
    drifts = any(str(name).startswith("cosine") for name in table)
    if strategy.has_high_pass and not drifts and (n_volumes - 1) * t_r > _HAS_COSINES:
        raise ValueError(
            f"{run.where}: the strategy has high_pass, but its confounds have no cosine columns, "
            "so that drifts would stay: get the table that fMRIPrep wrote, or leave high_pass out "
            "and drifts are taken out by cosines of our own"
        )
    mask = np.ones(n_volumes, dtype=bool)
    if kept is not None:
        mask[:] = False
        mask[np.asarray(kept)] = True
    return table, mask


@contextmanager
def _plainly_named(run: BoldRun) -> Iterator[tuple[str, Path]]:
    """Give the name of an image beside copies of its confounds, and their folder.

    nilearn finds the tables by the image's name, of which it reads the folders above too, and
    does not open the image. A temporary folder has a name without entities or ``tsv``.
    """
    func = run.files[0].parent
    folder = Path(tempfile.gettempdir()) / f"confounds-{uuid.uuid4().hex}"
    folder.mkdir()
    try:
        for desc, suffixes, suffix in _FILES:
            for ending in (".tsv", ".json"):
                levels = inherited(run.acquired, [func], suffixes, ending, desc)
                found = levels[0][0] if levels else None
                if found is not None:
                    shutil.copyfile(
                        present_file(found), folder / f"{_PLAIN}{desc}_{suffix}{ending}"
                    )
        if not any(folder.glob("*.tsv")):
            raise FileNotFoundError(
                f"{run.where}: no desc-confounds_timeseries.tsv of it is in {str(func)!r}: get "
                "it, or pass confounds=None"
            )
        own = run.entities.get("desc")
        desc = own if own in _OF_STRATEGIES else "preproc"
        yield str(folder / f"{_PLAIN}{desc}_bold.nii.gz"), folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cleaned(
    remover: ek.ConfoundRemover,
    values: Any,
    table: NDArray[np.float64],
    mask: NDArray[np.bool_],
    t_r: float,
    where: str,
) -> Any:
    """Return a lazy run (time, target) without its confounds, NaN where the mask is False."""
    whole = values.rechunk(-1)
    given = table if table.shape[1] else None
    take_out = partial(_take_out, remover, given, mask, t_r, where)
    empty = np.empty((0, 0), whole.dtype)
    return whole.map_blocks(take_out, dtype=whole.dtype, meta=empty)


def _take_out(
    remover: ek.ConfoundRemover,
    table: NDArray[np.float64] | None,
    mask: NDArray[np.bool_],
    t_r: float,
    where: str,
    values: NDArray[Any],
) -> NDArray[Any]:
    runs = np.full(values.shape[0], where)
    clean = remover.transform(values, confounds=table, sample_mask=mask, runs=runs, t_r=t_r)
    return np.asarray(clean, dtype=values.dtype)
