"""The world of `simulate_study`: spoken stories, and what auditory and language areas follow."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from encodekit.data import Stimulus
from encodekit.simulation._brain import Latents, lay_out
from encodekit.simulation._cortex import AUDITORY, LANGUAGE, simulated_cortex
from encodekit.simulation._latents import (
    N_BANDS,
    N_DIMENSIONS,
    SMOOTHING,
    story_latents,
    word_vectors,
)
from encodekit.simulation._recipe import Recipe
from encodekit.simulation._story import SpokenStory, spoken_story
from encodekit.simulation._world import World, shared_maps

Tick = Callable[[float], None]
Vectors = dict[str, NDArray[np.float64]]

_LOUDNESS_WEIGHT = 0.1  # in the signal of a language target; that of meaning is the rest


def spoken_world(recipe: Recipe, tick: Tick) -> tuple[World, Vectors]:
    """Compose and speak the stories, draw what people share; the vectors of words come second."""
    cortex = simulated_cortex(recipe.vertices)
    vectors = word_vectors(recipe.rng("vectors"))
    latents, design = _latents(), recipe.design
    fields, smoothing = shared_maps(design, cortex, latents)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        numbers = range(recipe.n_stories)
        stories = []
        for story in pool.map(lambda number: _story(recipe, number), numbers):
            stories.append(story)
            tick(1)
        heard = list(pool.map(lambda n: _heard(recipe, latents, n, stories[n], vectors), numbers))
    acoustic = (cortex.follows == LANGUAGE) & (recipe.null == "acoustics")
    world = World(
        design,
        cortex,
        latents,
        kinds=np.where(acoustic, AUDITORY, cortex.follows),
        null=None if recipe.null == "acoustics" else recipe.null,
        fields=fields,
        smoothing=smoothing,
        stimuli=[_stimulus(story, recipe.t_r) for story in stories],
        heard=heard,
    )
    return world, vectors


def _latents() -> Latents:
    as_it_is = (0.0,)
    parts = [
        ("meaning", N_DIMENSIONS, SMOOTHING, False),
        ("loudness", 1, as_it_is, False),
        ("bands", N_BANDS, as_it_is, True),
    ]
    language = ((0, 1 - _LOUDNESS_WEIGHT), (1, _LOUDNESS_WEIGHT))
    return lay_out(parts, {LANGUAGE: language, AUDITORY: ((2, 1.0),)})


def _story(recipe: Recipe, number: int) -> SpokenStory:
    return spoken_story(
        recipe.stories[number],
        recipe.seconds,
        voice=recipe.voices[number % len(recipe.voices)],
        rng=recipe.rng("story", number),
        words_held_out=recipe.words_held_out,
    )


def _heard(
    recipe: Recipe, latents: Latents, number: int, story: SpokenStory, vectors: Vectors
) -> NDArray[np.float64]:
    steps = story_latents(story.audio, story.words, vectors)
    if recipe.null == "unrelated":
        return latents.unrelated(recipe.rng("latents", number), len(steps[0]))
    return latents.side_by_side(steps)


def _stimulus(story: SpokenStory, t_r: float) -> Stimulus:
    columns = ["phone", "onset", "duration"]
    grid = Stimulus(story.name, story.audio, story.sampling_rate, t_r=t_r).grid
    return Stimulus(
        story.name,
        story.audio,
        story.sampling_rate,
        words=story.words,
        phones=story.phones[columns],
        tr_times=grid,
        t_r=t_r,
    )
