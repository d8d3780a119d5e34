"""Linear probes on recorded digits (Free Spoken Digit Dataset, CC BY-SA 4.0), speakers held out."""

import pytest

import encodekit as ek
from encodekit.data import Stimulus

pytest.importorskip("encodekit_brain_tuning", reason="needs the plugin encodekit-brain-tuning")
from encodekit_brain_tuning import LabelledAudio, probe

PHONES = {
    "0": "Z IH R OW", "1": "W AH N", "2": "T UW", "3": "TH R IY", "4": "F AO R",
    "5": "F AY V", "6": "S IH K", "7": "S EH V AH N", "8": "EY T", "9": "N AY",
}  # fmt: skip


@pytest.fixture(scope="module")
def takes(real_data):
    folder = real_data / "fsdd"
    return [path for path in sorted(folder.glob("*.wav")) if int(path.stem.split("_")[2]) < 3]


@pytest.fixture(scope="module")
def probed(takes):
    """F1 on digits, and on the phones of digits, of "tiny" and of mel bands."""
    digits, speakers, _ = zip(*(path.stem.split("_") for path in takes), strict=True)
    stimuli = [Stimulus(path.stem, path, t_r=2.0) for path in takes]
    tiny = ek.SpeechFeatures("tiny", layer="all", cache=None)
    return {
        task: probe({"tiny": tiny}, LabelledAudio.of_clips(stimuli, labels, speakers))
        for task, labels in (("digit", digits), ("phone", [PHONES[d].split() for d in digits]))
    }


def test_every_speaker_is_held_out_once(probed, takes):
    table = probed["digit"]
    assert table["fold"].nunique() == 4
    assert set(table["n_test"]) == {len(takes) // 4}


@pytest.mark.parametrize("task", ["digit", "phone"])
def test_some_layer_tells_more_of_an_unknown_speaker_than_guessing(probed, task):
    table = probed[task].groupby("layer")[["f1", "chance"]].mean()
    assert (table["f1"] > table["chance"] + 0.1).any(), table
