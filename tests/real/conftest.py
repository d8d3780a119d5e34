"""Real fMRI and real speech, where they are; the tests skip where they are not."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import encodekit as ek
from encodekit.data import make_response, read_textgrid

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def real_data():
    if not DATA.is_dir():
        pytest.skip(f"the real data are not at {DATA.parent.name}/{DATA.name} beside the project")
    return DATA


@dataclass(frozen=True)
class Alice:
    """12 people heard the first chapter of Alice in Wonderland (Brennan et al. 2016, CC BY 4.0)."""

    participants: list[str]
    regions: list[str]
    t_r: float
    onsets: np.ndarray  # (TR,) seconds in the audio
    bold: np.ndarray  # (participant, TR, region)
    motion: np.ndarray  # (participant, TR, 6)
    words: pd.DataFrame


@pytest.fixture(scope="session")
def alice(real_data):
    folder = real_data / "alice"
    with np.load(folder / "bold.npz") as arrays:
        bold, motion = arrays["bold"], arrays["motion"]
        t_r, first = float(arrays["t_r"]), float(arrays["row0_audio_s"])
        participants, regions = arrays["participants"].tolist(), arrays["rois"].tolist()
    table = pd.read_csv(folder / "words.csv")
    words = pd.DataFrame(
        {
            "word": table["word"].astype(str),
            "onset": table["onset_audio"],
            "duration": table["offset_audio"] - table["onset_audio"],
            "surprisal": table["ngram_surprisal"],
        }
    )
    onsets = first + t_r * np.arange(bold.shape[1])
    return Alice(participants, regions, t_r, onsets, bold, motion, words)


@pytest.fixture(scope="session")
def whole_study(alice):
    """Alice as a study of one long run, drifts (12 cosines) and motion removed."""
    stimulus = ek.Stimulus("alice", words=alice.words, tr_times=alice.onsets, t_r=alice.t_r)
    responses, confounds = {}, {}
    for person, bold, motion in zip(alice.participants, alice.bold, alice.motion, strict=True):
        names = [f"{person}/{region}" for region in alice.regions]
        responses[person] = {
            "alice": make_response(
                bold, run="alice", participant=person, tr_times=alice.onsets, t_r=alice.t_r,
                region=alice.regions, target=names, units="scanner",
            )
        }  # fmt: skip
        confounds[person] = {"alice": motion}
    study = ek.Study("alice", [stimulus], responses, confounds=confounds)
    return study.clean(ek.ConfoundRemover(n_cosines=12))


@pytest.fixture(scope="session")
def segments(whole_study):
    """Without the first 20 s, cut into five contiguous segments of which each is held out once."""
    return whole_study.trim("20s").segment("alice", 5, gap=0)


@pytest.fixture(scope="session")
def responses(segments):
    return [ek.RunScaler().fit_transform(run) for run in segments.responses()]


@pytest.fixture(scope="session")
def little_prince(real_data):
    """Words of the seven sections of another book (Le Petit Prince, English; ds003643, CC0)."""
    paths = sorted((real_data / "lpp").glob("*.TextGrid"))
    return {path.stem.split("_")[1]: read_textgrid(path) for path in paths}
