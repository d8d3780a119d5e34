"""LeBel et al. 2023 (OpenNeuro ds003020): hours of stories, preprocessed, as voxels or vertices."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import DTypeLike, NDArray

import encodekit as ek
from encodekit.core import refuse
from encodekit.data import drop_marks, make_response, read_textgrid, response_like
from encodekit_adapters import _lebel_facts as facts
from encodekit_adapters._download import RemoteFile
from encodekit_adapters._hdf5 import hdf5_shapes, lazy_hdf5
from encodekit_adapters._lazy import dask_array
from encodekit_adapters._lebel_surface import SurfaceMap, read_mask, surface_files
from encodekit_adapters._need import need
from encodekit_adapters._store import as_list, through_store

RESPONSES = "derivative/preprocessed_data"
TEXTGRIDS = "derivative/TextGrids"
SOUND = "stimuli"
_KEYS = ("data", "individual_repeats")


def load_lebel2023(
    root: str | Path,
    participants: str | Iterable[str] | None = None,
    stories: str | Iterable[str] | None = None,
    *,
    dtype: DTypeLike = "float32",
    audio: bool = True,
    space: str = "native",
    store: str | Path | None = None,
) -> ek.Study:
    """Return LeBel et al. 2023 as a study whose responses are read when they are computed.

    ``root`` is the data set's folder (a clone, or what ``encodekit data get lebel2023`` made).
    Timing, trims and oddities of the data set are in ``study.describe()``.

    Parameters
    ----------
    root : path
    participants, stories : str or list of str, optional
        Such as ``["UTS01"]`` and ``["buck"]``; all if not given. A story that a participant never
        heard is lacking in the study; one that they heard and whose file is not there raises.
    dtype : dtype
        Of the responses; the files hold float64.
    audio : bool
        False leaves the sound out, for features of words alone.
    space : {"native", "fsaverage5", "fsaverage6", "fsaverage7"}
        The participants' own voxels; or vertices of fsaverage, each the mean of the voxels there
        between the participant's white and pial surface. With ``store=`` that is done once.
    store : path, optional
        Where the study is saved as zarr on the first call (8 to 24 GB per participant, resumed
        where it was interrupted) and opened from ever after.

    Raises
    ------
    FileNotFoundError
        For a file that is not there or a pointer; with the command that gets it.
    ValueError
        For a file that is damaged, or whose TRs, voxels or repeats are not those of the data set.
    """
    folder = Path(root)
    heard, everything = facts.chosen(as_list(participants), as_list(stories, "stories"))

    def load() -> ek.Study:
        stimuli = {story: _stimulus(folder, story, audio=audio) for story in everything}
        responses = {
            person: _responses(folder, person, theirs, stimuli, dtype, space)
            for person, theirs in heard.items()
        }
        return ek.Study(
            "lebel2023", list(stimuli.values()), responses, description=facts.DESCRIPTION
        )

    return through_store(load, store, list(heard), space)


def remote_files(
    people: list[str] | None, stories: list[str] | None, space: str = "native"
) -> list[RemoteFile]:
    """Return the files of some participants and stories: responses, TextGrids, sound, surfaces."""
    heard, everything = facts.chosen(people, stories)
    responses = [
        RemoteFile(f"{RESPONSES}/{person}/{story}.hf5", facts.hf5_bytes(person, story))
        for person, theirs in heard.items()
        for story in theirs
    ]
    words = [RemoteFile(f"{TEXTGRIDS}/{story}.TextGrid") for story in everything]
    sound = [RemoteFile(f"{SOUND}/{story}.wav") for story in everything]
    whose = [] if space == "native" else list(heard)
    surfaces = [RemoteFile(name) for person in whose for name in surface_files(person)]
    return [*words, *sound, *surfaces, *responses]


def get_command(root: Path, participant: str | None, story: str) -> str:
    """Return the command that downloads one file of the data set."""
    who = f" --participants {participant}" if participant else ""
    return f"encodekit data get lebel2023 --root {root}{who} --stories {story}"


def _stimulus(root: Path, story: str, *, audio: bool) -> ek.Stimulus:
    grid = facts.FIRST_ONSET + facts.T_R * np.arange(facts.n_rows(story), dtype=np.float64)
    textgrid = root / TEXTGRIDS / f"{story}.TextGrid"
    try:
        return ek.Stimulus(
            story,
            root / SOUND / f"{story}.wav" if audio else None,
            words=_labels(textgrid, "word"),
            phones=_labels(textgrid, "phone"),
            tr_times=grid,
            t_r=facts.T_R,
        )
    except FileNotFoundError as error:
        raise type(error)(f"{error}. Or: `{get_command(root, None, story)}`") from error


def _labels(path: Path, kind: str) -> pd.DataFrame:
    table = read_textgrid(path, tier=kind, kind=kind, silence=())
    if kind == "phone":
        return drop_marks(table, kind)
    plain = table.assign(word=table["word"].str.lower().str.strip("{}").str.strip())
    return drop_marks(plain, kind)


def _responses(
    root: Path,
    person: str,
    stories: list[str],
    stimuli: dict[str, ek.Stimulus],
    dtype: DTypeLike,
    space: str,
) -> dict[str, xr.DataArray]:
    shapes = _shapes(root, person, stories)
    n_voxels = next(iter(shapes.values()))["data"][1]
    surface = _surface(root, person, space, n_voxels)
    places = {"voxel": np.arange(n_voxels)} if surface is None else surface.places
    responses: dict[str, xr.DataArray] = {}
    for story in stories:
        stimulus = stimuli[story]
        label = f"lebel2023: {story} of {person}"
        path = _path(root, person, story)
        values = _lazy(path, shapes[story], story, dtype, label)
        values = values if surface is None else surface.lazily(values)
        given: dict[str, Any] = {"run": story, "tr_times": stimulus.grid}
        if responses:
            first = next(iter(responses.values()))
            responses[story] = response_like(first, values, **given)
        else:
            responses[story] = make_response(
                values, participant=person, t_r=facts.T_R, space=space, **places, **given
            )
    return responses


def _surface(root: Path, person: str, space: str, n_voxels: int) -> SurfaceMap | None:
    if space == "native":
        return None
    try:
        surface = SurfaceMap(root, person, space)
    except FileNotFoundError as error:
        story = facts.stories_of(person)[0]
        command = f"{get_command(root, person, story)} --space {space}"
        raise type(error)(f"{error}. Or: `{command}`") from error
    if surface.matrix.shape[1] != n_voxels:
        raise ValueError(
            f"lebel2023, {person}: the mask of the surfaces has {surface.matrix.shape[1]} voxels "
            f"but the responses have {n_voxels}: get both of one version of the data set"
        )
    return surface


def _path(root: Path, person: str, story: str) -> Path:
    return root / RESPONSES / person / f"{story}.hf5"


def _shapes(root: Path, person: str, stories: list[str]) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the shapes of a participant's arrays, or raise with everything that is wrong."""
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    lacking, mistakes = [], []
    for story in stories:
        path = _path(root, person, story)
        try:
            shapes[story] = hdf5_shapes(path, _KEYS, fetch=get_command(root, person, story))
        except FileNotFoundError as error:
            lacking.append((story, error))
            continue
        except ValueError as error:
            mistakes.append(str(error))
            continue
        mistakes += [f"{path.name}: {item}" for item in _shape_mistakes(person, story, shapes)]
    if lacking:
        names = ", ".join(story for story, _ in lacking[:6]) + (", ..." if lacking[6:] else "")
        raise type(lacking[0][1])(
            f"lebel2023: {person} lacks {len(lacking)} of {len(stories)} stories here ({names}). "
            f"The first: {lacking[0][1]}. Get them by `"
            f"{get_command(root, person, ' --stories '.join(story for story, _ in lacking))}`, or "
            "name the stories to load with stories="
        )
    refuse(f"lebel2023, {person}", mistakes)
    return shapes


def _shape_mistakes(
    person: str, story: str, shapes: dict[str, dict[str, tuple[int, ...]]]
) -> list[str]:
    mine, first = shapes[story], next(iter(shapes.values()))["data"]
    shape, n_rows = mine["data"], facts.n_rows(story)
    if len(shape) != 2:
        return [f"'data' has shape {shape}, expected (TR, voxel)"]
    mistakes = []
    if shape[0] != n_rows:
        mistakes.append(
            f"'data' has {shape[0]} TRs, expected {n_rows}: the file is of another version of the "
            "data set, or was trimmed; get it again"
        )
    if shape[1] != first[1]:
        mistakes.append(
            f"'data' has {shape[1]} voxels but {next(iter(shapes))} has {first[1]}: the file "
            "belongs to another participant or mask"
        )
    if story == facts.TEST_STORY:
        expected = (facts.n_repeats(person), n_rows, first[1])
        if mine.get("individual_repeats") != expected:
            mistakes.append(
                f"'individual_repeats' has shape {mine.get('individual_repeats')}, expected "
                f"{expected} (repeat, TR, voxel): get the file again"
            )
    return mistakes


def _lazy(
    path: Path, shapes: dict[str, tuple[int, ...]], story: str, dtype: DTypeLike, label: str
) -> Any:
    if story != facts.TEST_STORY:
        return lazy_hdf5(path, "data", (), shapes["data"], dtype, label)
    n_repeats, *rest = shapes["individual_repeats"]
    repeats = [
        lazy_hdf5(path, "individual_repeats", k, tuple(rest), dtype, f"{label}, repeat {k + 1}")
        for k in range(n_repeats)
    ]
    return dask_array().stack(repeats)


def voxel_volume(values: NDArray[Any], root: str | Path, participant: str) -> Any:
    """Return values (voxel,) or (voxel, time) as a NIfTI image in the participant's own space.

    The voxels of the preprocessed files are those of pycortex's ``mask_thick``, in the order of
    its (z, y, x) array.

    Raises
    ------
    ValueError
        Where the mask has another number of voxels.
    """
    nibabel = need("nibabel", extra="bids", purpose="making a volume")
    kept, affine = read_mask(Path(root), participant)
    mask = kept.T
    if int(mask.sum()) != len(values):
        raise ValueError(
            f"{participant}: the mask 'mask_thick.nii.gz' has {int(mask.sum())} voxels but there "
            f"are {len(values)} values: give the values of all voxels of one participant, in order"
        )
    volume = np.zeros((*mask.shape, *np.shape(values)[1:]), dtype=np.float32)
    volume[mask] = values
    back = np.moveaxis(volume, (0, 1, 2), (2, 1, 0))
    return nibabel.Nifti1Image(np.ascontiguousarray(back), affine)
