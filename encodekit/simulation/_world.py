"""What all simulated participants share: stories, latents, cortex, the meaning of words."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encodekit.data import Stimulus
from encodekit.simulation._brain import Maps, draw_maps, smoothing_map
from encodekit.simulation._cortex import Cortex, simulated_cortex
from encodekit.simulation._latents import story_latents, unrelated_latents, word_vectors
from encodekit.simulation._recipe import Recipe
from encodekit.simulation._story import SpokenStory, spoken_story

Tick = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class World:
    """What all participants share; ``latents`` (step, latent) has one array per story."""

    recipe: Recipe
    cortex: Cortex
    maps: Maps
    smoothing: NDArray[np.float64]
    vectors: dict[str, NDArray[np.float64]]
    stimuli: list[Stimulus]
    latents: list[NDArray[np.float64]]

    @property
    def times(self) -> NDArray[np.float64]:
        """The middle of each TR within the audio, s; the same in every story."""
        times: NDArray[np.float64] = self.stimuli[0].grid + self.stimuli[0].offset
        return times


def build_world(recipe: Recipe, tick: Tick) -> World:
    """Compose and speak the stories, and draw what the participants share."""
    cortex = simulated_cortex(recipe.vertices)
    vectors = word_vectors(recipe.rng("vectors"))
    rng = recipe.rng("shared map")
    maps, smoothing = draw_maps(cortex, rng), smoothing_map(cortex, rng)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        numbers = range(recipe.n_stories)
        heard = []
        for story in pool.map(lambda number: _story(recipe, number), numbers):
            heard.append(story)
            tick(1)
        latents = list(pool.map(lambda n: _latents(recipe, n, heard[n], vectors), numbers))
    stimuli = [_stimulus(story, recipe.t_r) for story in heard]
    return World(recipe, cortex, maps, smoothing, vectors, stimuli, latents)


def _story(recipe: Recipe, number: int) -> SpokenStory:
    return spoken_story(
        recipe.stories[number],
        recipe.seconds,
        voice=recipe.voices[number % len(recipe.voices)],
        rng=recipe.rng("story", number),
        words_held_out=recipe.words_held_out,
    )


def _latents(
    recipe: Recipe, number: int, story: SpokenStory, vectors: dict[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    latents = story_latents(story.audio, story.words, vectors)
    if recipe.null == "unrelated":
        return unrelated_latents(recipe.rng("latents", number), len(latents))
    return latents


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
