"""Linear probes of the features before tuning, tuned on one person, and on four.

    python benchmarks/paper/probes.py --digits ../shared/data/fsdd

One simulated cohort of `campaign.py` tunes; the probes read words of its other stories (stories
held out), the topic of words (words held out too), and recorded digits (Free Spoken Digit Dataset,
CC BY-SA 4.0; speakers held out) with their phones. F1, the mean over folds.
"""

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pandas as pd

import encodekit as ek
from encodekit.data import Stimulus
from encodekit.simulation import VOCABULARY
from encodekit_brain_tuning import LabelledAudio, probe, word_labels
from encodekit_brain_tuning._experiment import pretrained_features

PHONES = {
    "0": "Z IH R OW", "1": "W AH N", "2": "T UW", "3": "TH R IY", "4": "F AO R",
    "5": "F AY V", "6": "S IH K", "7": "S EH V AH N", "8": "EY T", "9": "N AY",
}  # fmt: skip
TOPICS = {item.word: item.topic for item in VOCABULARY}


def load_campaign() -> Any:
    """Return the module beside this one."""
    path = Path(__file__).with_name("campaign.py")
    spec = importlib.util.spec_from_file_location("campaign", path)
    sys.modules["campaign"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["campaign"])
    return sys.modules["campaign"]


def tasks(stimuli: list[Stimulus], digits: Path | None, n_takes: int) -> dict[str, Any]:
    """Return what is probed: labelled audio, and what is held out."""
    common = word_labels(stimuli)
    counts = common.table.groupby("word")["run"].nunique()
    known = {word: word for word in counts[counts > len(stimuli) // 2].index}
    found = {
        "word": (word_labels(stimuli, classes=known), "speaker"),
        "topic of a new word": (word_labels(stimuli, classes=TOPICS), ("speaker", "word")),
    }
    if digits is None:
        return found
    takes = [p for p in sorted(digits.glob("*.wav")) if int(p.stem.split("_")[2]) < n_takes]
    clips = [Stimulus(path.stem, path, t_r=2.0) for path in takes]
    digit, speaker, _ = zip(*(path.stem.split("_") for path in takes), strict=True)
    phones = [PHONES[name].split() for name in digit]
    found["digit"] = (LabelledAudio.of_clips(clips, digit, speaker), "speaker")
    found["phones of a digit"] = (LabelledAudio.of_clips(clips, phones, speaker), "speaker")
    return found


def main() -> None:
    """Tune, probe and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cohort", type=int, default=4001)
    parser.add_argument("--digits", type=Path, default=None)
    parser.add_argument("--takes", type=int, default=5, help="of each speaker and digit")
    given = parser.parse_args()
    campaign = load_campaign()
    cohort = campaign.Cohort.simulate(given.cohort)
    features: dict[str, ek.FeatureExtractor] = {
        "pretrained": pretrained_features(campaign.READING),
        "single": campaign.tuned(cohort, campaign.ARMS["single P1"]),
        "multi": campaign.tuned(cohort, campaign.ARMS["joint"]),
    }
    stimuli = [*cohort.parts.fit.stimuli, *cohort.parts.test.stimuli]
    rows = []
    for task, (labelled, held) in tasks(stimuli, given.digits, given.takes).items():
        table = probe(features, labelled, hold_out=held).assign(task=task)
        rows.append(table.groupby(["task", "layer", "features"], sort=False)["f1"].mean())
        rows.append(
            table.assign(features="chance").groupby(["task", "layer", "features"])["chance"].mean()
        )
    wide = pd.concat(rows).unstack("features")[[*features, "chance"]]
    print(wide.round(3).to_string())


if __name__ == "__main__":
    main()
