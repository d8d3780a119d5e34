import hashlib
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from encodekit.data import Stimulus

RATE = 1000


def words(onset=(0.5, 1.0), duration=(0.2, 0.2), word=("a", "b")):
    return pd.DataFrame({"word": list(word), "onset": list(onset), "duration": list(duration)})


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "story.wav"
    left = np.linspace(-0.5, 0.5, 10 * RATE)
    soundfile.write(path, np.stack([left, left + 0.25], axis=1), RATE, subtype="PCM_16")
    return path


class TestGrid:
    def test_without_a_response_the_grid_covers_the_duration(self):
        stimulus = Stimulus("a", t_r=2.0, duration=9.0)
        assert stimulus.grid.tolist() == [0, 2, 4, 6, 8]
        assert stimulus.offset == 1.0

    def test_a_tr_sampled_after_the_end_is_not_on_the_grid(self):
        assert Stimulus("a", t_r=2.0, duration=8.5).grid.tolist() == [0, 2, 4, 6]

    def test_the_audio_gives_the_duration(self):
        assert Stimulus("a", np.zeros(5 * RATE), RATE, t_r=1.0).n_trs == 5

    def test_t_r_is_the_step_of_the_tr_times(self):
        assert Stimulus("a", tr_times=[20, 21.5, 23]).t_r == 1.5

    def test_history_reaches_back_to_the_beginning_of_the_audio_and_no_further(self):
        stimulus = Stimulus("a", tr_times=[10, 12, 14], t_r=2.0)
        tr, onset = stimulus.history_grid(6)
        assert tr.tolist() == [-3, -2, -1, 0, 1, 2]
        assert onset.tolist() == [4, 6, 8, 10, 12, 14]
        assert stimulus.history_grid(100)[1][0] == 0

    def test_history_keeps_a_tr_that_begins_before_the_audio_but_is_sampled_in_it(self):
        stimulus = Stimulus("a", tr_times=[1.0, 3.0], t_r=2.0)
        assert stimulus.history_grid(8)[1].tolist() == [-1.0, 1.0, 3.0]

    @given(st.integers(0, 40), st.sampled_from([0.5, 1.0, 1.5, 2.0, 2.0045]), st.floats(0, 60))
    def test_history_is_regular_and_within_what_was_asked(self, first, t_r, seconds):
        stimulus = Stimulus("a", tr_times=(first + np.arange(5)) * t_r, t_r=t_r)
        tr, onset = stimulus.history_grid(seconds)
        assert (tr[-5:] == np.arange(5)).all()
        assert np.allclose(onset, stimulus.grid[0] + tr * t_r)
        assert (onset + stimulus.offset >= -1e-6).all()
        assert -tr[0] * t_r <= seconds + 1e-5

    def test_negative_history_is_refused(self):
        with pytest.raises(ValueError, match="history is -1 s, expected 0 or more"):
            Stimulus("a", t_r=2.0, duration=9.0).history_grid(-1)

    def test_a_stimulus_without_times_says_what_to_pass(self):
        with pytest.raises(ValueError, match="neither tr_times nor a duration"):
            _ = Stimulus("a", t_r=1.0).grid
        with pytest.raises(ValueError, match="has no t_r: pass t_r="):
            _ = Stimulus("a", np.zeros(RATE), RATE).grid


class TestAudio:
    def test_a_file_gives_its_rate_and_the_mean_of_its_channels(self, wav):
        stimulus = Stimulus("a", wav, t_r=2.0)
        assert stimulus.sampling_rate == RATE
        samples = stimulus.load_audio()
        assert samples.dtype == np.float32
        expected = np.linspace(-0.5, 0.5, 10 * RATE) + 0.125
        assert np.allclose(samples, expected, atol=1e-4)

    def test_it_is_resampled_only_when_asked(self, wav):
        stimulus = Stimulus("a", wav, t_r=2.0)
        assert stimulus.load_audio().size == 10 * RATE
        assert stimulus.load_audio(2 * RATE).size == 20 * RATE

    def test_another_stated_rate_is_refused(self, wav):
        with pytest.raises(ValueError, match=r"stated as 16000 Hz but .* has 1000 Hz"):
            Stimulus("a", wav, 16000)

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="gone.wav' is not there"):
            Stimulus("a", tmp_path / "gone.wav")

    def test_a_file_that_is_no_sound_is_refused(self, tmp_path):
        (tmp_path / "a.wav").write_text("no sound")
        with pytest.raises(ValueError, match="cannot be read as sound"):
            Stimulus("a", tmp_path / "a.wav")

    def test_an_empty_file_is_refused(self, tmp_path):
        soundfile.write(tmp_path / "a.wav", np.zeros(0), RATE)
        with pytest.raises(ValueError, match="has no samples"):
            Stimulus("a", tmp_path / "a.wav")

    def test_an_npy_file_needs_its_rate(self, tmp_path):
        np.save(tmp_path / "a.npy", np.ones(RATE, dtype=np.float32))
        assert Stimulus("a", tmp_path / "a.npy", RATE, t_r=1.0).n_trs == 1
        with pytest.raises(ValueError, match="does not say its rate: pass sampling_rate="):
            Stimulus("a", tmp_path / "a.npy")

    @pytest.mark.parametrize(
        ("audio", "message"),
        [
            (np.zeros((5, 2)), r"shape \(5, 2\), expected \(n_samples,\)"),
            (np.zeros(5, dtype=np.int16), "is int16, expected float"),
            (np.zeros(0), "audio is empty"),
            (np.array([0.0, np.nan, np.inf]), "2 of 3 samples that are NaN or infinite, the first"),
        ],
    )
    def test_unusable_samples_are_refused(self, audio, message):
        with pytest.raises(ValueError, match=message):
            Stimulus("a", audio, RATE)

    def test_an_array_needs_its_rate(self):
        with pytest.raises(ValueError, match="sampling_rate is None, expected Hz"):
            Stimulus("a", np.zeros(5))

    def test_floats_of_the_scale_of_integers_are_refused(self):
        with pytest.raises(ValueError, match="audio reaches 20000, expected float in -1..1"):
            Stimulus("a", np.array([0.0, 2e4]), RATE)

    def test_nan_in_a_file_is_found_when_it_is_loaded(self, tmp_path):
        soundfile.write(tmp_path / "a.wav", np.array([0, np.nan]), RATE, subtype="FLOAT")
        with pytest.raises(ValueError, match=r"stimulus 'a', '.*a\.wav': audio has 1 of 2"):
            Stimulus("a", tmp_path / "a.wav").load_audio()

    def test_loading_what_is_not_there_says_so(self):
        with pytest.raises(ValueError, match="has no audio: pass audio="):
            Stimulus("a", words=words(), duration=4.0, t_r=2.0).load_audio()

    def test_the_loaded_samples_are_a_copy(self):
        audio = np.zeros(RATE, dtype=np.float32)
        Stimulus("a", audio, RATE).load_audio()[:] = 1
        assert (audio == 0).all()


class TestTimes:
    @pytest.mark.parametrize(
        ("times", "message"),
        [
            ([0, 2, 2], "TR 2 is at 2 s after TR 1 at 2 s"),
            ([0, np.nan], "NaN or infinite"),
            ([[0, 1]], r"shape \(1, 2\), expected \(n_trs,\)"),
            ([], r"shape \(0,\), expected"),
        ],
    )
    def test_tr_times_increase(self, times, message):
        with pytest.raises(ValueError, match=message):
            Stimulus("a", tr_times=times, t_r=2.0)

    def test_a_tr_after_the_end_of_the_audio_is_refused(self):
        with pytest.raises(ValueError, match=r"1 of 3 TR times .* TR 2 is sampled at 5 s .*0..4 s"):
            Stimulus("a", np.zeros(4 * RATE), RATE, tr_times=[0, 2, 4])

    def test_a_tr_before_the_audio_is_refused(self):
        with pytest.raises(ValueError, match="TR 0 is sampled at -3 s"):
            Stimulus("a", tr_times=[-4, -2, 0], t_r=2.0)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"t_r": 2000}, "are these milliseconds.*pass 2,"),
            ({"t_r": 2.0, "tr_times": [0, 2000, 4000]}, r"0\.\.4 s of audio: are these milli"),
            ({"tr_times": [0, 1000, 2000]}, "t_r is 1000 s"),
        ],
    )
    def test_milliseconds_are_refused(self, given, message):
        with pytest.raises(ValueError, match=message):
            Stimulus("a", np.zeros(4 * RATE), RATE, **given)

    @pytest.mark.parametrize("t_r", [1.0, 2.0, 2.02])
    def test_tr_times_with_trs_left_out_keep_the_beat(self, t_r):
        times = [0, 2, 6.02, 30.7]  # a scanner's own onsets, and a pause
        assert Stimulus("a", tr_times=times, t_r=t_r).t_r == t_r

    @pytest.mark.parametrize("t_r", [1.5, 2.5, 4.0])
    def test_tr_times_that_contradict_t_r_are_refused(self, t_r):
        with pytest.raises(ValueError, match="closest TRs of tr_times are 2 s apart"):
            Stimulus("a", tr_times=[0, 2, 4, 8], t_r=t_r)

    def test_t_r_is_known_to_the_microsecond(self):
        times = 0.1 * np.arange(3)[:, None] + 1.49 * np.arange(80)  # steps differ by rounding
        assert {Stimulus("a", tr_times=some).t_r for some in times} == {1.49}

    def test_one_tr_time_does_not_tell_t_r(self):
        with pytest.raises(ValueError, match="one TR time does not tell it"):
            Stimulus("a", tr_times=[0.0])

    def test_a_duration_beyond_the_audio_is_refused(self):
        with pytest.raises(ValueError, match="duration is 9 s but the audio has 4 s"):
            Stimulus("a", np.zeros(4 * RATE), RATE, duration=9.0)

    def test_several_mistakes_come_in_one_message(self):
        with pytest.raises(ValueError, match=r"has 3 mistakes:\n  - audio has 1 of 2.*\n.*\n.*t_r"):
            Stimulus("a", np.array([0, np.nan]), RATE, tr_times=[2, 0], t_r=-1)


class TestTables:
    @pytest.mark.parametrize(
        ("table", "message"),
        [
            (words().drop(columns="onset"), r"lacks the columns \['onset'\]"),
            (words(onset=["x", "y"]), "onset and duration are not numbers"),
            (words(word=("a", 3)), "1 entries are not text, the first is 3"),
            (
                words(onset=(0.5, np.nan)),
                "an onset is NaN or infinite in 1 rows, the first is row 1",
            ),
            (words(onset=(1.0, 0.5)), "row 1 begins at 0.5 s, before the row above"),
            (words(duration=(1.0, -0.5)), "1 durations are negative"),
            (words(onset=(1.0, 500)), r"1 onsets lie outside .*first at 500 s.*within 0..4 s"),
            (words(onset=(-3, -2)), r"2 onsets lie outside .*first at -3 s.*within 0..4 s"),
        ],
    )
    def test_a_table_that_cannot_be_right_is_refused(self, table, message):
        with pytest.raises(ValueError, match=message):
            Stimulus("a", np.zeros(4 * RATE), RATE, words=table)

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            (words().rename(columns={"onset": "Onset"}), r"lacks the columns \['onset'\].*'Onset'"),
            (words(onset=["0,5", "1,0"]), "'onset' is '0,5' in row 0: give them in seconds"),
            (words(onset=["0.5", "n/a"]), "'onset' is 'n/a' in row 1: give them in seconds"),
            (words(duration=[0.2, "n/a"]), "'duration' is 'n/a' in row 1"),
            (words(duration=(0.2, np.nan)),
             "duration is NaN or infinite in 1 rows, the first is row 1.*0 where it is not known"),
            (words(onset=(0.5, np.inf)), "onset is NaN or infinite in 1 rows, the first is row 1"),
            (words(word=("a", float("nan"))), "nan in row 1 .pandas reads null and nan so"),
            (words().assign(x=1.0).rename(columns={"x": "onset"}), r"several columns \['onset'"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_told_with_its_row(self, table, message):
        with pytest.raises(ValueError, match=message):
            Stimulus("a", np.zeros(4 * RATE), RATE, words=table)

    def test_a_duration_that_is_not_known_is_0(self):
        assert len(Stimulus("a", words=words(duration=(0.2, 0.0))).words) == 2

    def test_a_table_of_no_words_is_one(self):
        empty = words().iloc[:0]
        assert len(Stimulus("a", np.zeros(4 * RATE), RATE, words=empty).words) == 0

    def test_phones_are_checked_too(self):
        with pytest.raises(ValueError, match=r"phones lacks the columns \['phone'\]"):
            Stimulus("a", phones=words())


def spoken(n=400, seconds=120.0, seed=0):
    """Return the onsets and durations of words at the pace of speech, s."""
    rng = np.random.default_rng(seed)
    onset = np.sort(rng.uniform(0, seconds - 1, n))
    return onset, rng.uniform(0.05, 0.6, n)


def table_of(onset, duration):
    return pd.DataFrame({"word": ["a"] * len(onset), "onset": onset, "duration": duration})


UNITS = {
    "milliseconds": (1000, "are these milliseconds. Then divide onset and duration by 1000$"),
    "samples": (16000, "are these samples at 16000 Hz. Then divide .* by 16000$"),
    "hundredths": (100, "are these hundredths of a second. Then divide .* by 100$"),
    "microseconds": (1e6, "are these microseconds.* by 1e.06$"),
    "HTK": (1e7, "are these units of 100 ns, as HTK writes them.* by 1e.07$"),
}


class TestUnitsOfTime:
    @pytest.mark.parametrize(("factor", "message"), UNITS.values(), ids=UNITS)
    @pytest.mark.parametrize(
        "heard",
        [
            {"audio": np.zeros(120 * 16000, np.float32), "sampling_rate": 16000},
            {"t_r": 2.0, "duration": 120.0},
            {"tr_times": np.arange(60) * 2.0},
            {"tr_times": 20.0 + np.arange(50) * 2.0},
        ],
        ids=["sound", "duration", "TRs", "late TRs"],
    )
    def test_other_units_than_seconds_are_refused(self, heard, factor, message):
        onset, duration = spoken()
        told = Stimulus("a", words=table_of(onset, duration), **heard)
        assert len(told.words) == 400
        where = "its words begin at .* s but the (sound lasts|run ends at) 120 s: "
        with pytest.raises(ValueError, match=where + message):
            Stimulus("a", words=table_of(onset * factor, duration * factor), **heard)
        phones = table_of(onset * factor, duration * factor).rename(columns={"word": "phone"})
        with pytest.raises(ValueError, match="its phones begin at"):
            Stimulus("a", phones=phones, **heard)

    @pytest.mark.parametrize("n_words", [2, 5, 30])
    def test_few_words_in_milliseconds_are_refused_too(self, n_words):
        onset, duration = spoken(n_words, 30.0)
        heard = {"audio": np.zeros(30 * 100), "sampling_rate": 100}
        with pytest.raises(ValueError, match="are these milliseconds"):
            Stimulus("a", words=table_of((onset + 0.1) * 1000, duration * 1000), **heard)

    @pytest.mark.parametrize(("factor", "what"), [(1000, "ms"), (0, "ends")])
    def test_durations_in_other_units_and_ends_for_durations_are_refused(self, factor, what):
        onset, duration = spoken()
        wrong = duration * factor if what == "ms" else onset + duration
        with pytest.raises(ValueError, match=r"its words last .* s .median. but begin .* s apart"):
            Stimulus("a", np.zeros(120 * 100), 100, words=table_of(onset, wrong))

    @pytest.mark.parametrize("part", [0, 10, 19])
    def test_a_part_of_a_run_keeps_the_words_of_the_whole(self, part):
        onset, duration = spoken(4000, 1200.0)
        grid = 60.0 * part + np.arange(30) * 2.0
        assert Stimulus("a", words=table_of(onset, duration), tr_times=grid).n_trs == 30

    @pytest.mark.parametrize(
        ("onset", "duration"),
        [
            ([5.0, 40.0, 90.0], [0.4, 0.5, 0.3]),  # some words of a story
            ([0.0, 30.0, 60.0], [30.0, 30.0, 30.0]),  # passages
            ([0.1, 0.2, 0.3], [0.0, 0.0, 0.0]),
            ([3.0], [0.2]),
            ([0.0, 0.0, 0.1], [2.0, 2.0, 2.0]),  # several voices
        ],
    )
    def test_tables_of_another_pace_are_taken(self, onset, duration):
        for heard in (
            {"audio": np.zeros(12000), "sampling_rate": 100},
            {"t_r": 2.0, "duration": 120},
        ):
            assert len(Stimulus("a", words=table_of(onset, duration), **heard).words) == len(onset)


class TestHashes:
    def test_the_hash_is_of_the_samples_and_the_rate(self):
        audio = np.arange(8, dtype=np.float32) / 10
        expected = hashlib.sha256(b"audio 1000 Hz " + audio.astype("<f4").tobytes()).hexdigest()
        assert Stimulus("a", audio, 1000).audio_hash == expected
        assert Stimulus("b", audio, 2000).audio_hash != expected

    def test_a_file_and_its_samples_have_one_hash(self, wav):
        from_file = Stimulus("a", wav)
        from_array = Stimulus("b", from_file.load_audio(), RATE)
        assert from_file.audio_hash == from_array.audio_hash

    def test_a_zero_has_no_sign(self):
        audio = np.linspace(-1, 1, 4 * RATE)
        audio[::2], negative = 0.0, audio.copy()
        negative[::2] = -0.0
        assert Stimulus("a", audio, RATE).audio_hash == Stimulus("b", negative, RATE).audio_hash

    def test_words_change_the_content_and_not_the_audio(self):
        audio = np.zeros(4 * RATE)
        plain, told = Stimulus("a", audio, RATE), Stimulus("a", audio, RATE, words=words())
        other = Stimulus("a", audio, RATE, words=words(word=("a", "c")))
        assert plain.audio_hash == told.audio_hash
        assert len({plain.content_hash, told.content_hash, other.content_hash}) == 3

    def test_without_audio_the_words_are_what_was_heard(self):
        one, two = Stimulus("a", words=words()), Stimulus("b", words=words())
        assert one.audio_hash == two.audio_hash
        assert Stimulus("a").audio_hash != Stimulus("b").audio_hash

    def test_asking_for_hashes_does_not_change_what_joblib_sees(self):
        stimulus = Stimulus("a", np.zeros(4 * RATE), RATE, t_r=2.0)
        before = joblib.hash(stimulus)
        _ = stimulus.content_hash, stimulus.grid
        assert joblib.hash(stimulus) == before

    def test_it_survives_being_sent_to_another_process(self):
        stimulus = Stimulus("a", np.zeros(4 * RATE), RATE, t_r=2.0, words=words())
        sent = pickle.loads(pickle.dumps(stimulus))
        assert sent.content_hash == stimulus.content_hash
        assert sent.n_trs == 2


def test_the_repr_says_what_is_there():
    stimulus = Stimulus("a", np.zeros(4 * RATE), RATE, t_r=2.0, words=words(), run="r1")
    assert repr(stimulus) == "Stimulus('a', run='r1': 4.0 s of audio, 2 words, 2 TRs of 2 s)"
    assert repr(Stimulus("a")) == "Stimulus('a': no audio)"
