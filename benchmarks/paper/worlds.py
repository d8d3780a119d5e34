"""The kinds of cohorts of the suite: spoken stories, and recorded speech; people are simulated."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from arms import Sizes, World

import encodekit as ek
from encodekit.data import Stimulus, Study
from encodekit.simulation import HELD_OUT_VOICE, HELD_OUT_WORDS, VOCABULARY
from encodekit_brain_tuning import AllWeights, GlasserSelector, Runtime, Streamed, TopBlocks

AREAS = {
    "language": GlasserSelector(["late_language"]),
    "auditory": GlasserSelector(["early_auditory"]),
}
IN_MEMORY = Runtime(cache=None, stem_cache=None, stem_dtype="float32", device="cpu")
SPOKEN = {
    "n_participants": 8, "n_stories": 64, "minutes": 40 / 60, "n_test": 6, "test_repeats": 8,
    "snr": "clear", "vertices": 800, "words_held_out": sorted(HELD_OUT_WORDS),
}  # fmt: skip


def spoken(seed: int, **changes: Any) -> Study:
    """Return a study of stories that a synthetic voice speaks."""
    return ek.simulate_study(seed=seed, cache=False, **{**SPOKEN, **changes})


def _tiny(name: str, sizes: Sizes, steps: int = 64, **changes: Any) -> World:
    simulated: Mapping[str, Any] = {**SPOKEN, **changes}
    return World(
        name=name,
        simulate=lambda seed: spoken(seed, **changes),
        simulated=simulated,
        sizes=sizes,
        backbone="tiny",
        steps=steps,
        tuning={
            "update": AllWeights(), "windows__chunk": 40.0, "training__learning_rate": 1e-3,
            "training__batch_size": 1, "runtime": IN_MEMORY,
        },
        read=Streamed(chunk=40.0, overlap=8.0),
        areas=AREAS,
        targets=GlasserSelector(["late_language", "early_auditory"]),
    )  # fmt: skip


TINY = _tiny("tiny", Sizes(tune=30, validate=4, fit=24))
REALISTIC = _tiny(  # 90 minutes of tuning
    "tiny, realistic", Sizes(tune=135, validate=8, fit=48), 128,
    n_stories=200, n_test=9, snr="realistic",
)  # fmt: skip
OTHER_WORDS = sorted({item.word for item in VOCABULARY} - set(HELD_OUT_WORDS))
SECOND = {  # another data set: scanner, voice, words, maps and people
    "n_stories": 22, "t_r": 1.5, "voices": (HELD_OUT_VOICE,), "words_held_out": OTHER_WORDS,
}  # fmt: skip


def second_data_set(seed: int) -> Study:
    """Return a second study, of other people: TR of 1.5 s, another voice, words never tuned on."""
    return spoken(seed + 500_000, **SECOND)


def split_second(study: Study) -> Any:
    """Return its parts: the stories that fit, and the repeated ones that test."""
    test = list(study.truth.attrs["test_stories"])
    return study.split(fit=[run for run in study.runs if run not in test], test=test)


RECORDED = {
    "n_participants": 8, "stories": 20, "seconds": 150, "dimensions": 5, "gathered": (2.0, 4.0),
    "snr": (0.1, 0.4), "n_targets": 100, "n_test": 3, "test_repeats": 8,
}  # fmt: skip


def data_folder() -> Path:
    """Return the folder of recorded data, ``$ENCODEKIT_DATA``.

    Raises
    ------
    FileNotFoundError
        If it holds no ``librispeech``.
    """
    folder = Path(os.environ.get("ENCODEKIT_DATA", ""))
    if not (folder / "librispeech" / "words.csv").is_file():
        raise FileNotFoundError(
            f"{folder} holds no librispeech/words.csv: set ENCODEKIT_DATA to the folder of it"
        )
    return folder


def clips_of(folder: Path) -> list[Stimulus]:
    """Return LibriSpeech clips with their words; the column ``row`` is the place in the vectors."""
    words = pd.read_csv(folder / "words.csv", keep_default_na=False)
    words["row"] = np.arange(len(words))
    files = {path.name: path for path in folder.rglob("*.flac")}
    columns = ["word", "onset", "duration", "row"]
    return [
        Stimulus(str(name), files[str(name)], words=table[columns].reset_index(drop=True), t_r=2.0)
        for name, table in words.groupby("clip")
    ]


def recorded(seed: int) -> Study:
    """Return simulated people who hear recorded speech: clips in random order, joined to stories.

    Language areas follow what words mean in their context: principal components of a text model's
    vectors, which no speech model made, each scaled to the same variance.
    """
    given, folder = RECORDED, data_folder() / "librispeech"
    clips, rng = clips_of(folder), np.random.default_rng(seed)
    order, stories = list(rng.permutation(len(clips))), []
    for number in range(given["stories"]):
        some, seconds = [], 0.0
        while seconds < given["seconds"]:
            some.append(clips[order.pop()])
            seconds += some[-1].audio_duration + 0.3
        stories.append(ek.join_stimuli(some, f"story-{number:02d}", gap=0.3, t_r=2.0))
    vectors = np.load(folder / "meaning.npz")["vectors"][:, : given["dimensions"]]
    meaning = {story.name: vectors[story.words["row"]] for story in stories}
    test = [story.name for story in stories[-given["n_test"] :]]
    study = ek.simulate_responses(
        stories,
        {
            "language": ek.Follows(meaning, seconds=given["gathered"]),
            "auditory": ek.MelSpectrogram(n_mels=8),
        },
        given["n_participants"], snr=given["snr"], n_targets=given["n_targets"],
        repeats=dict.fromkeys(test, given["test_repeats"]), seed=seed,
    )  # fmt: skip
    study.truth.attrs["test_stories"] = test
    return study


WHISPER = World(
    name="whisper",
    simulate=recorded,
    simulated=RECORDED,
    sizes=Sizes(tune=9, validate=1, fit=7),
    backbone="whisper-tiny.en",
    steps=64,
    tuning={
        "update": TopBlocks(2), "windows": Streamed(30.0, 8.0), "training__learning_rate": 3e-4,
        "training__batch_size": 1, "runtime": IN_MEMORY,
    },
    read=Streamed(30.0, 8.0),
    areas={"language": ["language"], "auditory": ["auditory"]},
    targets=["language", "auditory"],
)  # fmt: skip
WORLDS = {world.name: world for world in (TINY, REALISTIC, WHISPER)}
