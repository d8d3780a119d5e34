"""A study out of a folder: ``stories/NAME.wav``, and ``PARTICIPANT/NAME.npy`` (time, target)."""

from pathlib import Path

import numpy as np
import xarray as xr

from encodekit import Stimulus, Study
from encodekit.data import make_response


def load_lab_folder(root: str | Path, t_r: float = 2.0, *, first: float = 0.0) -> Study:
    """Return the study in a folder.

    ::

        root/stories/fox.wav      what was heard
        root/anna/fox.npy         Anna's responses (time, target), or (repeat, time, target)
        root/ben/fox.npy

    A participant who lacks a story has no file for it.

    Parameters
    ----------
    root : path
    t_r : float
        Repetition time, s.
    first : float
        Onset of the first TR within the audio, s.

    Raises
    ------
    FileNotFoundError
        If there are no stories or no responses.
    ValueError
        If responses have no story.
    """
    folder = Path(root)
    sounds = sorted((folder / "stories").glob("*.wav"))
    files = sorted(folder.glob("*/*.npy"))
    if not sounds or not files:
        raise FileNotFoundError(
            f"{folder} has {len(sounds)} files stories/*.wav and {len(files)} files */*.npy: "
            "expected one of each or more"
        )
    names = [sound.stem for sound in sounds]
    orphans = [str(path.relative_to(folder)) for path in files if path.stem not in names]
    if orphans:
        raise ValueError(f"{', '.join(orphans)} have no story: the stories are {', '.join(names)}")
    n_trs = {name: max(_n_trs(path) for path in files if path.stem == name) for name in names}
    stimuli = [
        Stimulus(sound.stem, sound, t_r=t_r, tr_times=first + t_r * np.arange(n_trs[sound.stem]))
        for sound in sounds
    ]
    return Study(
        folder.name, stimuli, _responses(files, t_r, first), description=f"the folder {folder.name}"
    )


def _n_trs(path: Path) -> int:
    return int(np.load(path, mmap_mode="r", allow_pickle=False).shape[-2])


def _responses(files: list[Path], t_r: float, first: float) -> dict[str, dict[str, xr.DataArray]]:
    found: dict[str, dict[str, xr.DataArray]] = {}
    for path in files:
        values = np.load(path, allow_pickle=False).astype(np.float32)
        found.setdefault(path.parent.name, {})[path.stem] = make_response(
            values,
            run=path.stem,
            participant=path.parent.name,
            tr_times=first + t_r * np.arange(values.shape[-2]),
            t_r=t_r,
            voxel=np.arange(values.shape[-1]),
        )
    return found
