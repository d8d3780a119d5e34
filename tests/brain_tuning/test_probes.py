import numpy as np
import pandas as pd
import pytest
import xarray as xr

import encodekit as ek
from encodekit.data import Stimulus
from encodekit_brain_tuning import LabelledAudio, phone_labels, probe, word_labels
from encodekit_brain_tuning.probing._probes import stretch_means

RATE = 1000


class Loudness(ek.FeatureExtractor):
    """Two layers, 50 frames a second: of noise, and of what the sound's level says."""

    def frames(self, stimulus):
        sound = stimulus.load_audio(RATE).reshape(-1, 20)
        rng = np.random.default_rng(stimulus.load_audio().size)
        values = np.stack([rng.standard_normal(len(sound)), sound.mean(axis=1)], axis=1)
        return xr.DataArray(
            values,
            dims=("time", "feature"),
            coords={
                "seconds": ("time", (np.arange(len(sound)) + 0.5) / 50),
                "layer": ("feature", [0, 1]),
            },
        )


def levels(table, seconds=60, name="story-1"):
    """A story whose level is 1 in the words called "loud" and the phones called "L"."""
    sound = np.zeros(seconds * RATE, "float32")
    for label, onset, duration in table.itertuples(index=False):
        if label in {"loud", "L"}:
            sound[int(onset * RATE) : int((onset + duration) * RATE)] = 1
    return Stimulus(name, sound, RATE, **{
        "words" if "word" in table else "phones": table, "t_r": 2.0
    })  # fmt: skip


@pytest.fixture
def spoken():
    def make(name, seed):
        rng = np.random.default_rng(seed)
        words = pd.DataFrame(
            {"word": rng.choice(["loud", "soft"], 40), "onset": 1.4 * np.arange(40)}
        )
        return levels(words.assign(duration=1.0), name=name)

    return [make(f"story-{n}", n) for n in range(3)]


def test_a_layer_that_tells_words_apart_scores_1_and_noise_as_chance(spoken):
    table = probe({"loudness": Loudness()}, word_labels(spoken))
    mean = table.groupby("layer")[["f1", "chance"]].mean()
    assert mean["f1"][1] == 1.0
    assert 0.25 < mean["f1"][0] < 0.7
    assert 0.3 < mean["chance"].mean() < 0.7
    assert table["n_test"].tolist() == [40] * 6
    assert set(table["n_fit"]) == {80}


def test_models_stand_side_by_side(spoken):
    table = probe({"one": Loudness(), "other": Loudness()}, word_labels(spoken))
    wide = table.pivot(index=["layer", "fold"], columns="features", values="f1")
    assert wide["one"].equals(wide["other"])


def test_a_speaker_is_the_voice_of_several_runs(spoken):
    voices = {"story-0": "anna", "story-1": "bert", "story-2": "anna"}
    labelled = word_labels(spoken, voices)
    table = probe({"loudness": Loudness()}, labelled)
    assert sorted(set(table["n_test"])) == [40, 80]


def test_with_both_held_out_neither_speaker_nor_word_of_a_test_was_learnt_from():
    rng = np.random.default_rng(0)
    stories = []
    for n in range(4):
        names = rng.permutation(np.repeat(["cat", "dog", "fir", "oak"], 5))
        table = pd.DataFrame({"word": names, "onset": 2.0 * np.arange(20)}).assign(duration=1.0)
        sound = np.repeat(np.isin(names, ["cat", "dog"]).astype("float32"), 2 * RATE)
        stories.append(Stimulus(f"story-{n}", sound, RATE, words=table))
    kinds = {"cat": "animal", "dog": "animal", "fir": "tree", "oak": "tree"}
    labelled = word_labels(stories, classes=kinds)
    table = probe({"loudness": Loudness()}, labelled, hold_out=("speaker", "word"), n_folds=4)
    assert len(table) == 2 * 4 * 4
    assert set(table["n_fit"]) == {3 * 15}
    assert set(table["n_test"]) == {5}
    assert table[table["layer"] == 1]["f1"].eq(1).all()


def test_several_labels_at_once_are_scored_over_all_of_them():
    """Of the phones A and L of each word, the level tells L alone."""
    rng = np.random.default_rng(0)
    stories = []
    for n in range(3):
        onsets = 1.2 * np.arange(40)
        words = pd.DataFrame(
            {"word": [f"w{k}" for k in range(40)], "onset": onsets, "duration": 1.0}
        )
        kinds = rng.integers(1, 4, 40)
        phones = [
            pd.DataFrame({"phone": name, "onset": onsets[kinds & bit > 0] + late, "duration": 0.5})
            for name, bit, late in (("A", 1, 0.0), ("L", 2, 0.5))
        ]
        table = pd.concat(phones).sort_values("onset", ignore_index=True)
        story = levels(table, name=f"story-{n}")
        stories.append(Stimulus(story.name, story.audio, RATE, words=words, phones=table))
    labelled = phone_labels(stories)
    assert set(labelled.table["labels"]) == {("A",), ("L",), ("A", "L")}
    table = probe({"loudness": Loudness()}, labelled)
    told, noise = (table[table["layer"] == layer]["f1"].mean() for layer in (1, 0))
    assert told > noise + 0.05
    assert 0.8 < told < 1.0  # (1 + F1 of always saying A) / 2


def test_a_stretch_is_the_mean_of_its_frames_in_the_order_of_the_table():
    stories = [Stimulus(name, (np.arange(2000, dtype="float32") + shift) / 8192, RATE)
               for name, shift in (("a", 0), ("b", 5000))]  # fmt: skip
    table = pd.DataFrame(
        {"run": ["b", "a", "b"], "onset": [0.0, 0.5, 1.0], "duration": [0.5, 0.5, 0.001],
         "labels": [("x",)] * 3, "speaker": "s", "word": "w"}
    )  # fmt: skip
    means = stretch_means(Loudness(), LabelledAudio(stories, table))[1][:, 0]
    expected = [5249.5, 749.5, 6009.5]  # the last: one frame of 20 ms
    np.testing.assert_allclose(means * 8192, expected)


def test_a_tuned_model_is_probed_like_any_other(tuned, stories, responses, backbone_folder):
    head = tuned(update="head_only", layer="all", training__epochs=1).fit(
        stories[:2], responses[:2]
    )
    plain = ek.SpeechFeatures(
        backbone_folder, layer="all", windows=ek.Streamed(chunk=16.0), cache=None
    )
    labels = [("yes", "no")[n % 2] for n in range(4)]
    labelled = LabelledAudio.of_clips(stories, labels, ["a", "a", "b", "b"])
    table = probe({"pretrained": plain, "head alone": head}, labelled)
    wide = table.pivot(index=["layer", "fold"], columns="features", values="f1")
    np.testing.assert_array_equal(wide["pretrained"], wide["head alone"])
    assert wide.index.levels[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("ask", "match"),
    [
        ({"hold_out": "story"}, "hold_out"),
        ({"hold_out": "word"}, "labels that no other word has, the first 'loud'|'soft'"),
    ],
)
def test_what_cannot_be_held_out_is_refused(spoken, ask, match):
    with pytest.raises(ValueError, match=match):
        probe({"loudness": Loudness()}, word_labels(spoken), **ask)


def test_one_speaker_cannot_be_held_out(spoken):
    with pytest.raises(ValueError, match="all 40 stretches have the same speaker, 'story-0'"):
        probe({"loudness": Loudness()}, word_labels(spoken[:1]))


def test_stimuli_without_the_table_that_is_asked_for_are_named(spoken):
    with pytest.raises(ValueError, match="3 stimuli have no phones, the first is 'story-0'"):
        phone_labels(spoken)
    with pytest.raises(ValueError, match="1 stimuli have no words"):
        word_labels([Stimulus("clip", np.zeros(100), RATE)])


def test_labelled_audio_needs_all_its_columns():
    with pytest.raises(ValueError, match=r"has 1 stretches and lacks the columns \['onset'"):
        LabelledAudio([], pd.DataFrame({"run": ["a"]}))
