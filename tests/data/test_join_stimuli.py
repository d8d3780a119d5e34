"""Clips that are heard one after the other as one stimulus."""

import numpy as np
import pandas as pd
import pytest

import encodekit as ek

RATE = 8000


def table(label, *onsets, **more):
    return pd.DataFrame(
        {label: [f"{label}{k}" for k in range(len(onsets))], "onset": onsets, "duration": 0.1}
        | more
    )


def clip(name, seconds, value=0.1, **more):
    return ek.Stimulus(name, np.full(round(seconds * RATE), value, "float32"), RATE, **more)


def test_sounds_follow_each_other_with_silence_between():
    story = ek.join_stimuli([clip("a", 2, 0.1), clip("b", 1, 0.2)], "story", gap=0.5, t_r=1.0)
    sound = story.load_audio()
    assert story.audio_duration == 3.5
    assert (sound[: 2 * RATE] == np.float32(0.1)).all()
    assert not sound[2 * RATE : round(2.5 * RATE)].any()
    assert (sound[round(2.5 * RATE) :] == np.float32(0.2)).all()
    assert story.grid.tolist() == [0, 1, 2, 3]


def test_words_and_phones_are_where_they_then_sound():
    first = clip("a", 2, words=table("word", 0.2, 1.5, row=[4, 5]), phones=table("phone", 0.2))
    second = clip("b", 1, words=table("word", 0.3, row=[9]), phones=table("phone", 0.4))
    story = ek.join_stimuli([first, second], "story", gap=0.5)
    np.testing.assert_allclose(story.words["onset"], [0.2, 1.5, 2.8])
    np.testing.assert_allclose(story.phones["onset"], [0.2, 2.9])
    assert story.words["row"].tolist() == [4, 5, 9]
    assert story.words["word"].tolist() == ["word0", "word1", "word0"]
    assert first.words["onset"].tolist() == [0.2, 1.5]


def test_a_gap_of_samples_that_are_no_whole_number_moves_words_and_sound_alike():
    story = ek.join_stimuli(
        [clip("a", 1.00005), clip("b", 1, 0.2, words=None), clip("c", 1, 0.3)], "story", gap=0.30007
    )
    starts = np.flatnonzero(np.diff(story.load_audio()) > 0) + 1
    moved = [clip(n, s, words=table("word", 0.0)) for n, s in (("a", 1.00005), ("b", 1), ("c", 1))]
    words = ek.join_stimuli(moved, "story", gap=0.30007).words
    np.testing.assert_allclose(words["onset"].to_numpy()[1:] * RATE, starts, atol=1e-6)


def test_files_are_joined_as_arrays_are(tmp_path):
    import soundfile

    sound = np.round(np.random.default_rng(0).uniform(-1, 1, RATE) * 2**15).clip(
        -(2**15), 2**15 - 1
    )
    soundfile.write(tmp_path / "a.flac", (sound / 2**15).astype("float32"), RATE, subtype="PCM_16")
    array = ek.Stimulus("a", (sound / 2**15).astype("float32"), RATE)
    file = ek.Stimulus("a", tmp_path / "a.flac")
    joined = [ek.join_stimuli([item, item], "story", gap=0.1) for item in (array, file)]
    assert joined[0].audio_hash == joined[1].audio_hash


def test_stimuli_without_sound_are_joined_by_their_durations():
    parts = [ek.Stimulus(n, words=table("word", 1.0), duration=10.0, t_r=2.0) for n in ("a", "b")]
    story = ek.join_stimuli(parts, "story", gap=2.0, t_r=2.0, run="first")
    assert story.words["onset"].tolist() == [1.0, 13.0]
    assert (story.duration, story.n_trs, story.run_name) == (22.0, 11, "first")


WORDS = table("word", 0.1)


@pytest.mark.parametrize(
    ("stimuli", "gap", "message"),
    [
        ([], 0.5, "there is nothing to join"),
        ([clip("a", 1)], -1, r"gap is -1 s, expected 0 or more"),
        ([clip("a", 1), ek.Stimulus("b", np.zeros(99), 99)], 0, r"rates are 8000, 99 Hz"),
        ([clip("a", 1, words=WORDS), clip("b", 1)], 0, r"1 of 2 stimuli have no words.*'b'"),
        ([clip("a", 1), clip("b", 1, phones=table("phone", 0.1))], 0, r"no phones.*'a'"),
        ([clip("a", 1), ek.Stimulus("b", duration=3.0)], 0, r"1 of 2 stimuli have no audio"),
        ([ek.Stimulus("a", words=WORDS)], 0, r"'a' has neither audio nor a duration"),
        ([clip("a", 1, words=WORDS), clip("b", 1, words=WORDS.assign(topic="x"))], 0,
         r"words have other columns: 'a' has \['duration', 'onset', 'word'\], 'b' "),
        ([clip("a/part-1", 9, t_r=1.0, gap=2.0)], -1,
         r"(?s)2 mistakes.*gap is -1.*segment of a longer run"),
    ],
)  # fmt: skip
def test_what_cannot_be_joined_is_refused_with_every_mistake(stimuli, gap, message):
    with pytest.raises(ValueError, match=message):
        ek.join_stimuli(stimuli, "story", gap=gap)
