import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import Stimulus
from encodekit.features import CanonicalHRF, PhoneRate, WordRate

# row 0 is heard at `first`; the row of the word is counted by hand
STUDIES = {
    # LeBel 2023: TR 2.0 s, ten rows dropped of which five were silence: rows 10-12, 12-14, 14-16
    "LeBel": {"first": 10.0, "t_r": 2.0, "word": 15.3, "row": 2},
    # fMRIPrep, the sound starts with the first TR of 1.5 s: 0-1.5, 1.5-3, 3-4.5, 4.5-6, 6-7.5
    "fMRIPrep": {"first": 0.0, "t_r": 1.5, "word": 7.2, "row": 4},
    # Alice: row k is heard at 20 + 2 k s: 46-48 is row 13
    "Alice": {"first": 20.0, "t_r": 2.0, "word": 47.9, "row": 13},
}


@pytest.mark.parametrize("resample", ["sum", "lanczos"])
@pytest.mark.parametrize("study", STUDIES)
def test_a_word_lands_in_the_row_counted_by_hand(make_stimulus, make_words, study, resample):
    case = STUDIES[study]
    stimulus = make_stimulus(
        seconds=80.0, first=case["first"], t_r=case["t_r"], words=make_words(case["word"])
    )
    rate = WordRate(resample=resample).transform([stimulus])
    rate = rate.isel(time=rate.tr.values >= 0)
    assert rate.values[:, 0].argmax() == case["row"]
    if resample == "sum":
        assert rate.values[:, 0].sum() == 1


@pytest.mark.parametrize("study", STUDIES)
def test_the_response_to_a_word_peaks_4_to_8_seconds_later(make_stimulus, make_words, study):
    case = STUDIES[study]
    stimulus = make_stimulus(
        seconds=80.0, first=case["first"], t_r=case["t_r"], words=make_words(case["word"])
    )
    rows = make_pipeline(WordRate(), CanonicalHRF()).fit_transform([stimulus])
    later = float(rows.seconds[rows.values[:, 0].argmax()]) + case["t_r"] / 2 - case["word"]
    assert 4 < later < 8


def test_words_before_the_first_row_are_in_the_history(make_stimulus, make_words):
    stimulus = make_stimulus(first=10.0, words=make_words(3.0, 3.5))
    rate = WordRate(resample="sum").transform([stimulus])
    assert rate.isel(time=rate.tr.values == -4).item() == 2


def test_words_need_no_audio(make_words):
    stimulus = Stimulus("text", words=make_words(0.5, 0.9, 2.5), t_r=2.0, duration=6.0)
    assert WordRate(resample="sum").transform([stimulus]).values.ravel().tolist() == [2, 1, 0]


def test_words_without_audio_may_go_on_after_the_last_tr(make_words):
    stimulus = Stimulus("text", words=make_words(0.5, 90.0), t_r=2.0, duration=6.0)
    assert WordRate(resample="sum").transform([stimulus]).values.ravel().tolist() == [1, 0, 0]


def test_a_run_without_any_word_is_all_zeros(make_stimulus, make_words):
    rate = WordRate().transform([make_stimulus(words=make_words().astype({"onset": float}))])
    assert (rate.values == 0).all()


def test_phones_are_counted_from_their_own_table(make_stimulus, make_words):
    stimulus = make_stimulus(phones=make_words(0.1, 0.2, 0.3, column="phone"))
    rate = PhoneRate(resample="sum").transform([stimulus])
    assert rate.values[0, 0] == 3
    assert rate.coords["name"].values.tolist() == ["phone_rate"]


@pytest.mark.parametrize(("extractor", "table"), [(WordRate, "words"), (PhoneRate, "phones")])
def test_a_lacking_table_is_named(make_stimulus, extractor, table):
    with pytest.raises(ValueError, match=f"run 'story-1' has no {table}: pass Stimulus"):
        extractor().transform([make_stimulus()])


def test_lanczos_gives_the_number_of_words_even_if_they_are_evenly_spaced(
    make_stimulus, make_words
):
    onsets = np.arange(10.0, 30.0, 0.7)
    stimulus = make_stimulus(seconds=60.0, words=make_words(*onsets))
    total = WordRate().transform([stimulus]).values.sum()
    np.testing.assert_allclose(total, onsets.size, rtol=0.02)


class TestWhereInTheWord:
    """Rows are 2 s long; a word from 1.9 to 4.5 s begins in row 0, is halfway in 1, ends in 2."""

    @pytest.fixture
    def story(self):
        spoken = pd.DataFrame({"word": ["long"], "onset": [1.9], "duration": [2.6]})
        sounds = spoken.rename(columns={"word": "phone"})
        return Stimulus("a", words=spoken, phones=sounds, t_r=2.0, duration=8.0)

    @pytest.mark.parametrize("extractor", [WordRate, PhoneRate])
    @pytest.mark.parametrize(("at", "row"), [("onset", 0), ("middle", 1), ("end", 2)])
    def test_the_impulse_is_where_it_is_asked_for(self, story, extractor, at, row):
        rate = extractor(at=at, resample="sum", history=0).transform([story])
        assert rate.values.ravel().tolist() == [float(k == row) for k in range(4)]
        assert extractor(at=at).frames(story)["seconds"].item() == pytest.approx(
            {"onset": 1.9, "middle": 3.2, "end": 4.5}[at]
        )

    def test_words_that_overlap_are_put_in_order(self):
        words = pd.DataFrame(
            {"word": list("abc"), "onset": [0.0, 0.5, 1.0], "duration": [5.0, 0.5, 0.5]}
        )
        story = Stimulus("a", words=words, t_r=2.0, duration=8.0)
        for at, expected in (("middle", [0.75, 1.25, 2.5]), ("end", [1.0, 1.5, 5.0])):
            assert WordRate(at=at).frames(story)["seconds"].values.tolist() == expected
            rate = WordRate(at=at, resample="sum", history=0).transform([story])
            counts = np.histogram(expected, [0, 2, 4, 6, 8])[0]
            assert rate.values.ravel().tolist() == counts.tolist()

    @pytest.mark.parametrize("at", ["middle", "end"])
    def test_words_without_a_duration_are_refused_unless_at_onsets(self, at):
        words = pd.DataFrame({"word": list("ab"), "onset": [0.5, 3.0], "duration": [0.2, 0.0]})
        story = Stimulus("a", words=words, t_r=2.0, duration=6.0)
        assert WordRate(resample="sum").transform([story]).values.ravel().tolist() == [1, 1, 0]
        with pytest.raises(ValueError, match=r"has 1 words without a duration, the first is 'b' at "
                           rf"3 s: at='{at}'.*pass at='onset'"):  # fmt: skip
            WordRate(at=at).transform([story])

    def test_another_place_is_named(self, story):
        with pytest.raises(ValueError, match="unknown at 'onsets': did you mean 'onset'"):
            WordRate(at="onsets").transform([story])

    def test_it_is_part_of_what_names_a_cache_and_of_what_is_saved(self, story, tmp_path):
        rates = {
            at: WordRate(at=at, resample="sum", history=0, cache=tmp_path).transform([story])
            for at in ("onset", "middle", "end", "onset")
        }
        assert [int(rate.values[:, 0].argmax()) for rate in rates.values()] == [0, 1, 2]
        assert len(list(tmp_path.rglob("*.safetensors"))) == 3
        assert '"at": "middle"' in rates["middle"].attrs["parameters"]
        ek.save(WordRate(at="middle"), tmp_path / "rate")
        assert ek.load(tmp_path / "rate").at == "middle"
