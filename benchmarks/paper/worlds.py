"""The kinds of cohorts of the suite: spoken stories, and recorded speech; people are simulated."""

import os
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


def spoken(seed: int, **simulated: Any) -> Study:
    """Return a study of stories that a synthetic voice speaks."""
    return ek.simulate_study(seed=seed, cache=False, **simulated)


def _tiny(name: str, sizes: Sizes, steps: int = 64, **changes: Any) -> World:
    return World(
        name=name,
        simulate=spoken,
        simulated={**SPOKEN, **changes},
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


def second_vocabulary() -> set[str]:
    """Return the words of the second data set: all that tuning never heard, and few others.

    The sentence frames need three of each kind in every topic.
    """
    kinds: dict[tuple[str, str], list[str]] = {}
    for item in VOCABULARY:
        kinds.setdefault((item.topic, item.kind), []).append(item.word)
    chosen: set[str] = set()
    for words in kinds.values():
        new = [word for word in words if word in HELD_OUT_WORDS]
        old = [word for word in words if word not in HELD_OUT_WORDS]
        chosen.update(new, old[: max(0, 3 - len(new))])
    return chosen


SECOND = {  # another data set: scanner, voice, words, maps and people
    "n_stories": 22, "t_r": 1.5, "voices": (HELD_OUT_VOICE,),
    "words_held_out": sorted({item.word for item in VOCABULARY} - second_vocabulary()),
}  # fmt: skip


def second_data_set(seed: int) -> Study:
    """Return a study of other people: TR of 1.5 s, another voice, mostly words never tuned on."""
    return spoken(seed + 500_000, **{**SPOKEN, **SECOND})


def split_second(study: Study) -> Any:
    """Return its parts: the stories that fit, and the repeated ones that test."""
    test = list(study.truth.attrs["test_stories"])
    return study.split(fit=[run for run in study.runs if run not in test], test=test)


RECORDED = {
    "n_participants": 8, "stories": 20, "seconds": 150, "dimensions": 5, "gathered": (2.0, 4.0),
    "snr": (0.1, 0.4), "n_targets": 100, "n_test": 3, "test_repeats": 8, "n_mels": 8, "gap": 0.3,
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


def recorded(
    seed: int, *, n_participants: int, stories: int, seconds: float, dimensions: int,
    gathered: tuple[float, ...], snr: tuple[float, float], n_targets: int, n_test: int,
    test_repeats: int, n_mels: int, gap: float,
) -> Study:  # fmt: skip
    """Return simulated people who hear recorded speech: clips in random order, joined to stories.

    Language areas follow what words mean in their context: principal components of a text model's
    vectors, which no speech model made, each scaled to the same variance. Auditory areas follow
    mel bands.
    """
    folder = data_folder() / "librispeech"
    clips = clips_of(folder)
    order = [clips[place] for place in np.random.default_rng(seed).permutation(len(clips))]
    joined = []
    for number in range(stories):
        some: list[Stimulus] = []
        while sum(clip.audio_duration + gap for clip in some) < seconds:
            if not order:
                raise ValueError(
                    f"{len(clips)} clips make {number} stories of {seconds:g} s, not {stories}"
                )
            some.append(order.pop())
        joined.append(ek.join_stimuli(some, f"story-{number:02d}", gap=gap, t_r=2.0))
    vectors = np.load(folder / "meaning.npz")["vectors"][:, :dimensions]
    meaning = {story.name: vectors[story.words["row"]] for story in joined}
    test = [story.name for story in joined[-n_test:]]
    study = ek.simulate_responses(
        joined,
        {
            "language": ek.Follows(meaning, seconds=gathered),
            "auditory": ek.MelSpectrogram(n_mels=n_mels),
        },
        n_participants, snr=snr, n_targets=n_targets,
        repeats=dict.fromkeys(test, test_repeats), seed=seed,
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
