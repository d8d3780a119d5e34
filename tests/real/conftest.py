"""Real fMRI and real speech, where they are; the tests skip where they are not."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

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
        }
    )
    onsets = first + t_r * np.arange(bold.shape[1])
    return Alice(participants, regions, t_r, onsets, bold, motion, words)
