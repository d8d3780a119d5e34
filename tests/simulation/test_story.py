"""Composed and spoken stories."""

from itertools import pairwise

import numpy as np
import pytest

from encodekit.simulation import (
    FUNCTION_WORDS,
    HELD_OUT_VOICE,
    HELD_OUT_WORDS,
    TOPICS,
    VOCABULARY,
    VOICES,
    compose_story,
    speak,
    spoken_story,
    vocabulary_without,
)


def test_the_vocabulary_has_the_promised_words() -> None:
    assert len({item.word for item in VOCABULARY} | set(FUNCTION_WORDS)) == 192 + 10
    for topic in TOPICS:
        counts = [
            sum((item.topic, item.kind) == (topic, kind) for item in VOCABULARY)
            for kind in ("noun", "verb", "adjective")
        ]
        assert counts == [12, 6, 6]


def test_every_topic_holds_out_the_same_share_of_its_words() -> None:
    topics = [item.topic for item in VOCABULARY if item.word in HELD_OUT_WORDS]
    assert {topics.count(topic) for topic in TOPICS} == {5}
    assert HELD_OUT_VOICE in VOICES


def test_no_two_words_sound_the_same() -> None:
    words = [item.word for item in VOCABULARY] + list(FUNCTION_WORDS)
    said = speak(" ".join(f"{word.capitalize()}." for word in words))
    sounds = said.phones.groupby("word")["phone"].agg(" ".join)
    assert sounds.is_unique


def test_the_seed_decides_the_story() -> None:
    one, again, other = (compose_story(np.random.default_rng(seed), 50) for seed in (1, 1, 2))
    assert one == again != other


def test_a_topic_stays_three_times_in_four() -> None:
    story = compose_story(np.random.default_rng(0), 12_000)
    topics = [sentence.topic for sentence in story]
    kept = np.mean([a == b for a, b in pairwise(topics)])
    assert kept == pytest.approx(0.75, abs=0.03)


def test_sentences_use_words_of_their_topic_once_and_no_article_before_a_vowel() -> None:
    topic_of = {item.word: item.topic for item in VOCABULARY}
    for sentence in compose_story(np.random.default_rng(3), 2_000):
        content = [word for word in sentence.words if word in topic_of]
        assert {topic_of[word] for word in content} == {sentence.topic}
        assert len(set(content)) == len(content)
        for word, follower in zip(sentence.words, sentence.words[1:], strict=False):
            assert not (word == "a" and follower[0] in "aeiou")


def test_held_out_words_are_never_heard_and_all_others_are() -> None:
    kept = vocabulary_without(HELD_OUT_WORDS)
    story = compose_story(np.random.default_rng(0), 5_000, vocabulary=kept)
    heard = {word for sentence in story for word in sentence.words}
    assert not heard & HELD_OUT_WORDS
    assert {item.word for item in kept} <= heard


def test_an_unknown_held_out_word_is_answered_with_close_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown content word 'tigr': did you mean 'tiger'"):
        vocabulary_without(["tigr"])


def test_a_vocabulary_too_small_for_the_frames_is_refused() -> None:
    with pytest.raises(ValueError, match=r"too small.*has 0 of kind noun.*at least 3"):
        compose_story(
            np.random.default_rng(0),
            10,
            vocabulary=[item for item in VOCABULARY if item.kind != "noun"],
        )
    with pytest.raises(ValueError, match=r"it has no word"):
        compose_story(np.random.default_rng(0), 10, vocabulary=[])


def test_a_story_is_exactly_as_long_as_asked_and_speaks_nearly_all_of_it() -> None:
    story = spoken_story("story-01", seconds=40, rng=5, voice="en-us+m3")
    assert story.audio.shape == (40 * 16_000,)
    assert story.seconds == 40
    end = (story.words["onset"] + story.words["duration"]).max()
    assert 35 < end <= 40
    assert len(story.words) / 40 == pytest.approx(3.2, abs=0.4)


def test_a_story_falls_silent_after_its_last_whole_sentence() -> None:
    story = spoken_story("story-01", seconds=20, rng=5)
    end = (story.words["onset"] + story.words["duration"]).max()
    assert not story.audio[round((end + 0.03) * 16_000) :].any()
    assert np.abs(story.audio[round((end - 0.2) * 16_000) : round(end * 16_000)]).max() > 0.01


def test_word_rows_name_kind_topic_and_sentence() -> None:
    words = spoken_story("story-01", seconds=15, rng=2).words
    topic_of = {item.word: (item.topic, item.kind) for item in VOCABULARY}
    for row in words.itertuples():
        expected = topic_of.get(str(row.word), (row.topic, "function"))
        assert (row.topic, row.kind) == expected
    assert set(np.diff(words["sentence"])) == {0, 1}


def test_a_story_keeps_the_phones_of_its_words_alone() -> None:
    story = spoken_story("story-01", seconds=15, rng=2)
    assert set(story.phones["word"]) == set(range(len(story.words)))


def test_too_short_a_story_is_refused() -> None:
    with pytest.raises(ValueError, match=r"story 'x': no sentence fits into 0.5 s.*more seconds"):
        spoken_story("x", seconds=0.5)
