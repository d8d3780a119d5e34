"""The simulated study: spoken stories, and the fMRI of people who heard them."""

import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from encodekit.core import progress
from encodekit.simulation._brain import Snr
from encodekit.simulation._cortex import atlas_source
from encodekit.simulation._ground_truth import truth_of
from encodekit.simulation._participants import Participant, Scanned, scan
from encodekit.simulation._recipe import STUDY_VOICES, Recipe
from encodekit.simulation._spoken import Vectors, spoken_world
from encodekit.simulation._world import World

if TYPE_CHECKING:
    from encodekit.data import Study


def simulate_study(
    n_participants: int = 8,
    n_stories: int = 16,
    minutes: float = 2.5,
    t_r: float = 2.0,
    *,
    snr: Snr = "clear",
    null: str | None = None,
    n_test: int = 2,
    test_repeats: int = 8,
    vertices: int | None = None,
    missing: float = 0.0,
    voices: Sequence[str] = STUDY_VOICES,
    words_held_out: Iterable[str] = (),
    seed: int = 0,
    cache: bool = True,
) -> "Study":
    """Simulate people who listen to spoken stories in a scanner.

    Everybody hears the same stories, composed from a grammar and spoken by espeak-ng. Language
    areas follow the meaning of words (12-dimensional vectors, 60 % the topic's and 40 % the
    word's own) gathered over 2, 4 or 8 s, with a weight of .9, and the loudness, with .1;
    auditory areas follow 8 log-mel bands; a sample of other cortex follows nothing. Maps vary
    smoothly, 70 % of their variance shared by all and 30 % each person's own. The haemodynamic
    response is a double gamma, late by up to 1 s either way. The noise is autocorrelated (.4),
    half of it common to the targets of a person, and 15 % slow drift. Responses are z-scored in
    each run.

    Parameters
    ----------
    n_participants, n_stories : int
    minutes : float
        Length of each story.
    t_r : float
        Repetition time, s.
    snr : "clear", "realistic", or (low, high)
        The signal's share of the variance of one run: ``"clear"`` is .02 to .12, some 3 times
        that of real data, for demonstrations with half an hour of stories; ``"realistic"`` is
        log-normal with median .02 and 90 % below .08, and needs hours; two numbers give a range.
    null : None, "nothing", "acoustics" or "unrelated"
        Nothing to find: no signal; language areas that follow the mel bands instead of meaning;
        or responses that people share but that have nothing to do with the stories.
    n_test, test_repeats : int
        How many stories were heard how often, with independent noise. They are named in
        ``study.truth.attrs["test_stories"]``; story-10 and story-16 of the default.
    vertices : int, optional
        How many vertices of fsaverage5, the same for all; about 2,400 if not given.
    missing : float
        Fraction (0 to 0.5) of the stories heard once that each participant lacks.
    voices : sequence of str
        Stories take turns; the default leaves out `HELD_OUT_VOICE`.
    words_held_out : iterable of str
        Content words that no story uses, such as `HELD_OUT_WORDS`.
    seed : int
        Decides everything. The first participants and stories stay the same when more are asked.
    cache : bool
        Keep the study in the folder ``studies`` of ``$ENCODEKIT_CACHE`` (or of the user's cache
        folder) and read it from there next time, lazily.

    Returns
    -------
    Study
        Whose ``truth`` has, per target: ``share`` (the signal's share of one run), ``follows``
        (acoustics, language, unrelated or nothing), ``smoothing`` and ``late`` (s); the noiseless
        ``response`` (time, target) in standard deviations of one run; and ``word_vector`` (word,
        dimension).

    Raises
    ------
    ValueError
        With every mistake in the parameters.

    Examples
    --------
    >>> study = simulate_study(2, 3, minutes=0.5, n_test=1, vertices=20, cache=False)
    >>> study.participants, study.runs, study.truth.attrs["test_stories"]
    (['P1', 'P2'], ['story-01', 'story-02', 'story-03'], ['story-03'])
    """
    recipe = Recipe(
        n_participants=int(n_participants),
        n_stories=int(n_stories),
        minutes=float(minutes),
        t_r=float(t_r),
        snr=snr if isinstance(snr, str) else (float(snr[0]), float(snr[1])),
        null=null,
        n_test=int(n_test),
        test_repeats=int(test_repeats),
        vertices=None if vertices is None else int(vertices),
        missing=float(missing),
        voices=tuple(voices),
        words_held_out=tuple(sorted(words_held_out)),
        seed=int(seed),
    )
    return _cached(recipe) if cache else _build(recipe)


def _cached(recipe: Recipe) -> "Study":
    from encodekit.saving import load_study

    path, told = study_folder() / recipe.key(atlas_source()), ""
    try:
        if os.path.isdir(path):  # noqa: PTH112 (is_dir raises for a name that is too long)
            return load_study(path)
    except (OSError, ValueError) as error:
        told = f"the cached study {path} is not whole, and is made anew: {error}"
    study = _build(recipe)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        study.save(path)  # over one that is not whole: what we did not write stays
        study = load_study(path)
    except (OSError, ValueError) as error:
        told = told or f"the simulated study cannot be cached in {path.parent}: {error}"
        told += f"; to keep it, move away what is at {path}, or set ENCODEKIT_CACHE"
    if told:
        warnings.warn(told, stacklevel=3)
    return study


def study_folder() -> Path:
    """Return where simulated studies are kept."""
    from encodekit.features import cache_folder

    folder = cache_folder("auto", "studies")
    assert folder is not None
    return folder


def _build(recipe: Recipe) -> "Study":
    from encodekit.data import Study

    with progress("simulating a study", recipe.n_stories + recipe.n_participants) as tick:
        world, vectors = spoken_world(recipe, tick)
        people, responses = scan(world, tick)
    return Study(
        "simulated",
        world.stimuli,
        responses,
        truth=lambda: _truth(recipe, vectors, world, people, responses),
        description=_description(recipe, world.places.source),
    )


def _truth(
    recipe: Recipe, vectors: Vectors, world: World, people: list[Participant], responses: Scanned
) -> xr.Dataset:
    words = list(vectors)
    truth = truth_of(world, people, responses).assign_coords(word=words)
    truth["word_vector"] = (("word", "dimension"), np.stack([vectors[word] for word in words]))
    return truth.assign_attrs(
        t_r=recipe.t_r,
        test_stories=recipe.test_stories,
        snr=recipe.snr if isinstance(recipe.snr, str) else list(recipe.snr),
        null=recipe.null or "none",
        seed=recipe.seed,
        regions=world.places.source,
    )


def _description(recipe: Recipe, source: str) -> str:
    share = f"{recipe.snr}" if isinstance(recipe.snr, str) else "from {} to {}".format(*recipe.snr)
    nothing = f" Null cohort: {recipe.null}." if recipe.null else ""
    return (
        f"Simulated: {recipe.n_participants} participants, {recipe.n_stories} spoken stories of "
        f"{recipe.minutes:g} min, share of signal {share}, regions by {source}, seed "
        f"{recipe.seed}. Heard {recipe.test_repeats} times: "
        f"{', '.join(recipe.test_stories) or 'none'}.{nothing}"
    )
