"""A study as a folder: JSON, arrays, word tables, sound, and responses in zarr."""

import hashlib
import shutil
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from encodekit.core import SealedFolder, read_sealed, resumed_folder, whole_folder
from encodekit.data._packing import Json, Packer, Unpacker, read_packed, write_packed
from encodekit.data._stimulus import Stimulus
from encodekit.data._stored_audio import store_audio
from encodekit.data._stored_runs import Journal, StoredRun, lazy_run, open_store, store_run
from encodekit.data._study_checks import relabel
from encodekit.data._study_contents import ByRun, StudyContents

_FIELDS = ("name", "sampling_rate", "t_r", "duration", "run", "sample_offset", "gap")
_OPENED = "ek.load_study(path) reads it"
_STORE = "responses.zarr"
_JOURNAL = ".journal"
Tick = Callable[[float], None]


def save_study(
    study: StudyContents, path: str | Path, *, resume: bool = False, tick: Tick = lambda _: None
) -> Path:
    """Write a study to a folder that appears whole or not at all; see `Study.save`."""
    if resume:
        check_room(study, path)
    whole = (
        resumed_folder(path, "study", _fingerprint(study), opened_by=_OPENED) if resume else None
    )
    with whole or whole_folder(path, "study", opened_by=_OPENED) as folder:
        packer = Packer()
        journal = Journal(folder / _JOURNAL if resume else None, folder / _STORE)
        tree = {
            "name": study.name,
            "description": study.description,
            "stimuli": _store_stimuli(study, folder, packer),
            "participants": _store_responses(study, folder, packer, journal, tick),
            "confounds": packer.pack(study.confounds, "confounds"),
            "truth": study.truth is not None,
        }
        write_packed(folder, "study", tree, packer.arrays)
        if study.truth is not None:
            truth = Packer()
            packed = truth.pack(study.load_truth(), "truth")
            write_packed(folder, "truth", packed, truth.arrays)
        journal.close()
    return Path(path)


def check_room(study: StudyContents, path: str | Path) -> None:
    """Raise OSError where the disk has less room than the study's responses take, uncompressed."""
    needed = sum(a.nbytes for runs in study.responses.values() for a in runs.values())
    parent = Path(path).resolve().parent
    parent.mkdir(parents=True, exist_ok=True)
    done = (file for file in parent.glob(f".{Path(path).name}.*.resumed/**/*") if file.is_file())
    free = shutil.disk_usage(parent).free + sum(file.stat().st_size for file in done)
    if free < needed:
        raise OSError(
            f"study {study.name!r} takes up to {needed / 1e9:.1f} GB but {str(parent)!r} has "
            f"{free / 1e9:.1f} GB free: name another folder, or select fewer participants or runs"
        )


def _fingerprint(study: StudyContents) -> str:
    """Return what tells this study from another: its stimuli, and its responses by source.

    A dask array is known by the name of its tasks, which sources on disk derive from what they
    read; an array in memory by its bytes.
    """
    digest = hashlib.sha256(f"{study.name} {study.description}".encode())
    for stimulus in study.stimuli:
        digest.update(f"{stimulus!r} {stimulus.offset} {stimulus.grid.tobytes()!r}".encode())
    for participant, runs in study.responses.items():
        for run, array in runs.items():
            source = getattr(array.data, "name", None)
            content = source or hashlib.sha256(np.ascontiguousarray(array.data).data).hexdigest()
            digest.update(f"{participant} {run} {array.shape} {array.dtype} {content}".encode())
    return digest.hexdigest()


def _store_stimuli(study: StudyContents, folder: Path, packer: Packer) -> Json:
    for name in ("audio", "words", "phones"):
        (folder / name).mkdir(exist_ok=True)
    files: dict[Any, str] = {}
    return [
        {
            **{name: packer.pack(getattr(s, name), f"stimuli.{n}.{name}") for name in _FIELDS},
            "tr_times": packer.pack(s.tr_times, f"stimuli.{n}.tr_times"),
            "audio": None if s.audio is None else _store_sound(s, folder, files),
            "samples_hash": s.audio_hash,
            "words": _store_table(s.words, "words", folder, files),
            "phones": _store_table(s.phones, "phones", folder, files),
        }
        for n, s in enumerate(study.stimuli)
    ]


def _store_sound(stimulus: Stimulus, folder: Path, files: dict[Any, str]) -> str:
    if stimulus.audio_hash not in files:
        path = folder / "audio" / f"{len(files):04d}"
        stored = store_audio(stimulus.load_audio(), int(stimulus.sampling_rate or 0), path)
        files[stimulus.audio_hash] = stored.relative_to(folder).as_posix()
    return files[stimulus.audio_hash]


def _store_table(
    table: pd.DataFrame | None, kind: str, folder: Path, files: dict[Any, str]
) -> Json:
    """Write a table as TSV, its columns' types beside it: text may look like numbers."""
    if table is None:
        return None
    if id(table) not in files:
        files[id(table)] = f"{kind}/{len(files):04d}.tsv"
        table.to_csv(folder / files[id(table)], sep="\t", index=False)
    types = {str(name): _type_name(table[name], kind) for name in table.columns}
    left_out = {str(label): int(n) for label, n in table.attrs.get("left_out", {}).items()}
    return {"file": files[id(table)], "columns": types, "left_out": left_out}


def _type_name(column: pd.Series, kind: str) -> str:
    if pd.api.types.is_numeric_dtype(column.dtype) and isinstance(column.dtype, np.dtype):
        return str(column.dtype)
    if all(isinstance(item, str) for item in column):
        return "str"
    raise TypeError(
        f"column {column.name!r} of a {kind} table holds neither numbers nor text alone: convert "
        "or drop it before saving"
    )


def _store_responses(
    study: StudyContents, folder: Path, packer: Packer, journal: Journal, tick: Tick
) -> Json:
    group = open_store(folder / _STORE)
    tree = {}
    for n, participant in enumerate(study.participants):
        runs = {}
        for m, (run, array) in enumerate(study.responses[participant].items()):
            key, where = f"{n}/{m}", f"{participant}.{run}"
            journal.once(key, partial(store_run, group, key, array.data))
            tick(float(array.nbytes))
            runs[run] = {
                "array": key,
                "shape": list(array.shape),
                "dtype": array.dtype.name,
                "tr": packer.pack(array.coords["tr"].values, f"{where}.tr"),
                "n_repeats": packer.pack(_counts(array), f"{where}.n_repeats"),
                "attrs": packer.pack(dict(array.attrs), f"{where}.attrs"),
            }
        targets = packer.pack(study.targets[participant], f"{participant}.targets")
        tree[participant] = {"targets": targets, "runs": runs}
    return tree


def _counts(array: xr.DataArray) -> Any:
    return array.coords["n_repeats"].values if "n_repeats" in array.coords else None


def read_study(path: str | Path, *, verify: bool = False) -> StudyContents:
    """Return a saved study; its responses are read when they are computed.

    Parameters
    ----------
    path : path
    verify : bool
        Check every byte now, rather than the sizes of the large files (each chunk of responses
        carries a checksum that is checked when it is read).
    """
    return read_sealed(Path(path).resolve(), "study", partial(_parse, verify=verify))


def _parse(folder: SealedFolder, *, verify: bool) -> StudyContents:
    if verify:
        folder.verify()
    else:
        folder.check_sizes()
    tree, arrays = read_packed(folder, "study")
    unpacker = Unpacker(arrays)
    stimuli = [_open_stimulus(item, folder, unpacker) for item in tree["stimuli"]]
    read = _Responses(folder, unpacker, {s.run_name: s for s in stimuli})
    return StudyContents(
        name=tree["name"],
        description=tree["description"],
        stimuli=stimuli,
        responses={p: read.of(p, item) for p, item in tree["participants"].items()},
        targets={p: unpacker.unpack(i["targets"]) for p, i in tree["participants"].items()},
        confounds=unpacker.unpack(tree["confounds"]),
        truth=partial(_read_truth, folder) if tree["truth"] else None,
    )


def _open_stimulus(item: Json, folder: SealedFolder, unpacker: Unpacker) -> Stimulus:
    fields = {name: unpacker.unpack(item[name]) for name in _FIELDS}
    stimulus = Stimulus(
        **fields,
        tr_times=unpacker.unpack(item["tr_times"]),
        audio=None if item["audio"] is None else folder.locate(item["audio"], verify=False),
        words=_open_table(item["words"], folder),
        phones=_open_table(item["phones"], folder),
    )
    return stimulus._state_hash(item["samples_hash"])


def _open_table(item: Json, folder: SealedFolder) -> pd.DataFrame | None:
    if item is None:
        return None
    table = pd.read_csv(BytesIO(folder.read(item["file"])), sep="\t", dtype=str, na_filter=False)
    types = item["columns"].items()
    table = table.assign(**{name: _typed(table[name], kind) for name, kind in types})
    table.attrs["left_out"] = dict(item.get("left_out", {}))  # lacking in older files
    return table


def _typed(column: pd.Series, kind: str) -> Any:
    if kind == "str":
        return column
    cells = np.array(column.tolist(), dtype=object)
    if kind == "bool":
        return cells == "True"
    # Python's own reading of a number is exact; an empty cell was NaN
    return np.where(cells == "", "nan", cells).astype(kind)


class _Responses:
    def __init__(
        self, folder: SealedFolder, unpacker: Unpacker, stimuli: dict[str, Stimulus]
    ) -> None:
        self._store = folder.within(_STORE)
        self._unpacker = unpacker
        self._stimuli = stimuli

    def of(self, participant: str, item: Json) -> ByRun:
        """Return the lazy responses of one participant."""
        targets = self._unpacker.unpack(item["targets"])
        return {
            run: self._run(participant, run, stored, targets)
            for run, stored in item["runs"].items()
        }

    def _run(self, participant: str, run: str, item: Json, targets: dict[str, Any]) -> xr.DataArray:
        label = f"the response of {participant!r} in run {run!r}"
        n_repeats, n_times, n_targets = item["shape"]
        shape, dtype = (n_repeats, n_times, n_targets), np.dtype(item["dtype"])
        stored = StoredRun(self._store.within(item["array"]), shape, dtype, label)
        coords = {name: ("target", values) for name, values in targets.items()}
        counts = self._unpacker.unpack(item["n_repeats"])
        if counts is not None:
            coords["n_repeats"] = ("target", counts)
        trs = self._unpacker.unpack(item["tr"])
        array = xr.DataArray(
            lazy_run(stored, item["array"]),
            dims=("repeat", "time", "target"),
            coords=coords,
            attrs=self._unpacker.unpack(item["attrs"]),
        )
        return relabel(array.rename(None), self._stimuli[run], trs)


def _read_truth(folder: SealedFolder) -> xr.Dataset:
    tree, arrays = read_packed(folder, "truth")
    truth: xr.Dataset = Unpacker(arrays).unpack(tree)
    return truth
