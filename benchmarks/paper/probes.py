"""Linear probes of the features before tuning, tuned on one person, and on four.

    python benchmarks/paper/probes.py --digits ../shared/data/fsdd

Simulated cohorts of `campaign.py` tune; the probes read the phones of words of their other
stories (stories held out), the topic of words (words held out too), and recorded digits (Free
Spoken Digit Dataset, CC BY-SA 4.0; speakers held out) with their phones. F1, the mean over folds
and cohorts. The cohorts are those in which validation kept the weights tuned on four people and on
one; in the others there are pretrained features to compare with themselves.
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
from encodekit_brain_tuning import LabelledAudio, phone_labels, probe, word_labels

PHONES = {
    "0": "Z IH R OW", "1": "W AH N", "2": "T UW", "3": "TH R IY", "4": "F AO R",
    "5": "F AY V", "6": "S IH K", "7": "S EH V AH N", "8": "EY T", "9": "N AY",
}  # fmt: skip
SINGLE = {4101: "P4", 4106: "P3", 4108: "P2", 4109: "P2"}  # the first that validation kept
DEFAULT = [4101, 4106]
MODELS = ["pretrained", "single", "multi"]
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
    found: dict[str, Any] = {
        "phones of a word": (known_phones(phone_labels(stimuli)), "speaker"),
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


def known_phones(labelled: LabelledAudio, n_words: int = 5) -> LabelledAudio:
    """Keep the phones of ``n_words`` words or more: a fold must not test what no other has."""
    each = labelled.table.explode("labels")
    counts = each.groupby("labels")["word"].nunique()
    common = set(counts[counts >= n_words].index)
    labels = labelled.table["labels"].map(lambda some: tuple(p for p in some if p in common))
    table = labelled.table.assign(labels=labels)
    return LabelledAudio(labelled.stimuli, table[labels.map(len) > 0])


def probed(seed: int, campaign: Any, digits: Path | None, n_takes: int) -> pd.DataFrame:
    """Tune on one cohort and return F1 (task and layer, features), the mean over folds."""
    cohort = campaign.Cohort.simulate(seed)
    features: dict[str, ek.FeatureExtractor] = {
        "pretrained": campaign.pretrained_features(),
        "single": campaign.tuned(cohort, campaign.ARMS[f"single {SINGLE.get(seed, 'P1')}"]),
        "multi": campaign.tuned(cohort, campaign.ARMS["joint"]),
    }
    stimuli = [*cohort.parts.fit.stimuli, *cohort.parts.test.stimuli]
    tables = {}
    for task, (labelled, held) in tasks(stimuli, digits, n_takes).items():
        folds = probe(features, labelled, hold_out=held).groupby(["layer", "features"])
        wide = folds["f1"].mean().unstack("features")[MODELS]
        tables[task] = wide.assign(chance=folds["chance"].mean().groupby("layer").mean())
    return pd.concat(tables, names=["task"])


def main() -> None:
    """Tune, probe and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cohorts", type=int, nargs="+", default=DEFAULT)
    parser.add_argument("--digits", type=Path, default=None)
    parser.add_argument("--takes", type=int, default=5, help="of each speaker and digit")
    given = parser.parse_args()
    campaign, tables = load_campaign(), {}
    for seed in given.cohorts:
        tables[seed] = probed(seed, campaign, given.digits, given.takes)
        print(f"cohort {seed} is probed", file=sys.stderr)
    every = pd.concat(tables, names=["cohort"])
    mean = every.groupby(["task", "layer"], sort=False).mean()
    for name in MODELS[1:]:
        gain = (every[name] - every["pretrained"]).groupby(["task", "layer"], sort=False)
        mean[f"{name} gain"] = gain.mean()
        mean[f"{name} least"], mean[f"{name} most"] = gain.min(), gain.max()
    print(f"cohorts {', '.join(map(str, given.cohorts))}")
    print(mean.round(3).to_string())


if __name__ == "__main__":
    main()
