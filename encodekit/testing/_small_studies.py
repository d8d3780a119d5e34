"""Small studies with a known truth, made in milliseconds and without any other program."""

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from encodekit.data import RunList, Stimulus, Study, make_response

RATE = 16_000
T_R = 2.0
_REGIONS = ("A1", "A1", "A4", "A4", "STSdp", "STSdp")
_SPOKEN = {
    "word": ["the", "fox", "runs", "home"],
    "phone": ["DH", "AH0", "F", "AA1", "K", "S", "R", "N", "Z", "HH", "OW1", "M"],  # of ARPAbet
}
_HRF = np.array([0.0, 0.1, 0.4, 0.35, 0.15])  # at 0, 2, ... 8 s


def small_study(
    n_participants: int = 2,
    n_stories: int = 4,
    seconds: float = 32.0,
    *,
    repeats: int = 2,
    missing: bool = True,
    signal: float = 0.6,
    seed: int = 0,
) -> Study:
    """Return a study of voices that rise and fall, and of targets that follow their loudness.

    The audio is a buzz of harmonics whose loudness changes each second and whose fundamental
    glides between 90 and 220 Hz, silent at every tenth second; words, and phones of ARPAbet, are
    drawn and timed by chance, each table by itself. Each target is ``signal`` (share of the
    variance) of the loudness after a haemodynamic response of 8 s, and noise.

    Parameters
    ----------
    n_participants, n_stories : int
    seconds : float
        Length of each story; the repetition time is 2 s.
    repeats : int
        How often the last story was heard, with independent noise.
    missing : bool
        Whether the last participant lacks the second story (where there are two or more of both).
    signal : float
        0 to 1.
    seed : int

    Returns
    -------
    Study
        6 targets per participant in the regions A1, A4 and STSdp. ``truth`` has ``response``
        (time, target), without noise, and ``share`` (target).

    Examples
    --------
    >>> study = small_study()
    >>> study.participants, study.runs[-1], study.responses()[1].shape
    (['P1', 'P2'], 'story-4', (16, 12))
    """
    stories = [_story(number, seconds, seed) for number in range(1, n_stories + 1)]
    people = [f"P{number}" for number in range(1, n_participants + 1)]
    clean = {story.run_name: _clean(story, people, signal) for story in stories}
    lacks = (
        {people[-1]: stories[1].run_name} if missing and min(n_participants, n_stories) > 1 else {}
    )
    rng = np.random.default_rng([seed, 2])
    responses = {
        person: {
            story.run_name: _measured(
                clean[story.run_name][person], story, person, signal, rng,
                repeats if story is stories[-1] else 1,
            )
            for story in stories
            if lacks.get(person) != story.run_name
        }
        for person in people
    }  # fmt: skip
    return Study(
        "small", stories, responses, truth=_truth(clean, stories, responses, signal),
        description="encodekit.testing.small_study",
    )  # fmt: skip


def small_features(study: Study, n_features: int = 3, *, history: int = 0) -> xr.DataArray:
    """Return features of a small study: its loudness as the brain sees it, and noise.

    Two feature spaces (coordinate ``band``): the loudness, and the noise.

    Parameters
    ----------
    study : Study
        From `small_study`.
    n_features : int
        The first is the truth of all targets, up to a factor.
    history : int
        Rows of negative ``tr`` before each run.
    """
    rng = np.random.default_rng(5)
    blocks = []
    for story in study.stimuli:
        trs = np.arange(-history, story.n_trs)
        rows = rng.standard_normal((trs.size, n_features))
        rows[history:, 0] = _haemodynamic(story)
        blocks.append(
            xr.DataArray(
                rows,
                dims=("time", "feature"),
                coords={
                    "run": ("time", np.full(trs.size, story.run_name)),
                    "stimulus": ("time", np.full(trs.size, story.name)),
                    "tr": ("time", trs),
                    "seconds": ("time", trs * T_R),
                    "name": ("feature", [f"feature-{k}" for k in range(n_features)]),
                    "band": ("feature", ["loudness", *["noise"] * (n_features - 1)]),
                },
                attrs={"t_r": T_R, "sample_offset": T_R / 2, "history": history * T_R},
            )
        )
    joined: xr.DataArray = xr.concat(blocks, "time", combine_attrs="override")
    return joined


def small_responses(n_participants: int = 2, *, missing: bool = True, seed: int = 0) -> RunList:
    """Return the responses of a `small_study`, one DataArray (time, target) per run."""
    return small_study(n_participants, missing=missing, seed=seed).responses()


def _story(number: int, seconds: float, seed: int) -> Stimulus:
    rng = np.random.default_rng([seed, 1, number])
    time = np.arange(int(seconds * RATE)) / RATE
    loud = rng.uniform(0.2, 1.0, int(np.ceil(seconds)))
    loud[::10] = 0.0
    pitch = 155 + 65 * np.sin(2 * np.pi * (time / 7 + rng.uniform()))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 6))
    audio = 0.1 * loud[time.astype(int)] * voice + 1e-4 * rng.standard_normal(time.size)
    return Stimulus(
        f"story-{number}", audio.astype(np.float32), RATE, t_r=T_R,
        words=_timed("word", rng, seconds, 2.0), phones=_timed("phone", rng, seconds, 8.0),
    )  # fmt: skip


def _timed(column: str, rng: np.random.Generator, seconds: float, rate: float) -> pd.DataFrame:
    """Words or phones, ``rate`` a second."""
    onsets = np.sort(rng.uniform(0, seconds - 0.2, int(seconds * rate))).round(3)
    names = rng.choice(_SPOKEN[column], onsets.size)
    return pd.DataFrame({column: names, "onset": onsets, "duration": 0.05})


def _haemodynamic(story: Stimulus) -> NDArray[np.float64]:
    """The loudness of each TR, after the haemodynamic response, z-scored in the run."""
    sound = story.load_audio()[: story.n_trs * int(T_R * RATE)].reshape(story.n_trs, -1)
    delayed = np.convolve(sound.std(axis=1), _HRF)[: story.n_trs]
    return np.asarray((delayed - delayed.mean()) / delayed.std(), dtype=np.float64)


def _clean(story: Stimulus, people: list[str], signal: float) -> dict[str, NDArray[np.float64]]:
    """Noiseless responses; the sign of a target is the same in all runs."""
    signs = np.array([1, -1, 1, 1, -1, 1])
    return {person: np.sqrt(signal) * np.outer(_haemodynamic(story), signs) for person in people}


def _measured(
    clean: NDArray[np.float64],
    story: Stimulus,
    person: str,
    signal: float,
    rng: np.random.Generator,
    repeats: int,
) -> xr.DataArray:
    noise = np.sqrt(1 - signal) * rng.standard_normal((repeats, *clean.shape))
    values = (clean + noise).astype(np.float32)
    return make_response(
        values if repeats > 1 else values[0], run=story.run_name, participant=person,
        tr_times=story.grid, t_r=T_R, region=_REGIONS, hemisphere=["left", "right"] * 3,
        voxel=np.arange(len(_REGIONS)),
    )  # fmt: skip


def _truth(
    clean: dict[str, dict[str, NDArray[np.float64]]],
    stories: list[Stimulus],
    responses: dict[str, dict[str, xr.DataArray]],
    signal: float,
) -> xr.Dataset:
    places = [next(iter(runs.values())).coords for runs in responses.values()]
    coords = {
        name: ("target", np.concatenate([coords[name].values for coords in places]))
        for name in ("target", "participant", "region")
    }
    n_trs = [story.n_trs for story in stories]
    rows = {
        "run": ("time", np.repeat([story.run_name for story in stories], n_trs)),
        "stimulus": ("time", np.repeat([story.name for story in stories], n_trs)),
        "tr": ("time", np.concatenate([np.arange(n) for n in n_trs])),
    }
    response = [np.concatenate(list(clean[story.run_name].values()), axis=1) for story in stories]
    n_targets = response[0].shape[1]
    return xr.Dataset(
        {
            "response": (("time", "target"), np.concatenate(response)),
            "share": ("target", np.full(n_targets, signal)),
        },
        coords={**coords, **rows},
        attrs={"test_stories": [stories[-1].name]},
    )
