"""A run of the study is what was heard: stories in other orders, repeats, sounds, tiers."""

import warnings

import numpy as np
import pytest

import encodekit as ek


@pytest.fixture
def scan(layouts, tmp_path):
    """Write one scan below ``scan.root``."""

    def write(name, **given):
        return layouts.write_scan(write.root, name, **given)

    write.root = tmp_path / "set"
    write.layouts = layouts
    return write


def load(root, **given):
    return ek.load_study("bids", root=root, task="story", space="fsaverage5",
                         **{"confounds": None, **given})  # fmt: skip


def of(study, run, person="sub-01"):
    return study.select(run, person).responses()[0].values


class TestOrders:
    def test_people_who_heard_stories_in_other_orders_share_the_runs(self, scan):
        orders = {"01": "abc", "02": "cab", "03": "bca"}
        values = {
            (person, story): scan(f"sub-{person}_task-story_run-{k}", sound=f"{story}.wav",
                                  seed=10 * int(person) + k)
            for person, order in orders.items() for k, story in enumerate(order, 1)
        }  # fmt: skip
        study = load(scan.root)
        assert study.runs == ["a", "b", "c"]
        for (person, story), expected in values.items():
            np.testing.assert_array_equal(of(study, story, f"sub-{person}"), expected)
        assert all(np.isfinite(run.values).all() for run in study.responses())

    def test_sessions_in_other_orders_share_the_runs(self, scan):
        for person, order in (("01", "ab"), ("02", "ba")):
            for k, story in enumerate(order, 1):
                scan(f"sub-{person}_ses-{k}_task-story", sound=f"{story}.wav", events=[
                    (0.0, 80.0, "x", f"{story}.wav")])  # fmt: skip
                events = scan.root / f"sub-{person}/func/sub-{person}_ses-{k}_task-story_events.tsv"
                folder = scan.root / f"sub-{person}/ses-{k}/func"
                folder.mkdir(parents=True)
                events.rename(folder / events.name)
        study = load(scan.root)
        assert study.runs == ["a", "b"]
        assert len(study.responses()[0].target) == 12

    def test_a_story_that_somebody_lacks_is_nan(self, scan):
        scan("sub-01_task-story_run-1", sound="a.wav")
        scan("sub-01_task-story_run-2", sound="b.wav")
        scan("sub-02_task-story_run-1", sound="b.wav")
        study = load(scan.root)
        first = study.responses()[0]
        theirs = first.participant.values == "sub-02"
        assert np.isnan(first.values[:, theirs]).all()
        assert np.isfinite(first.values[:, ~theirs]).all()


class TestRepeats:
    @pytest.mark.parametrize("entity", ["run", "acq", "dir", "ses"])
    def test_a_story_in_several_scans_is_a_repeat(self, scan, entity):
        values = [
            scan(f"sub-01_{entity}-{k}_task-story" if entity == "ses"
                 else f"sub-01_task-story_{entity}-{k}", seed=k, events=False)
            for k in (1, 2, 3)
        ]  # fmt: skip
        scan.layouts.write_events(scan.root / "task-story_events.tsv", [(0, 80, "x", "a.wav")])
        study = load(scan.root)
        assert study.runs == ["a"]
        repeats = study.repeats()
        assert repeats.dims == ("repeat", "time", "target")
        np.testing.assert_array_equal(repeats.values, values)
        np.testing.assert_allclose(study.responses()[0].values, np.mean(values, axis=0), rtol=1e-6)

    def test_repeats_are_in_the_order_of_runs(self, scan):
        values = [scan(f"sub-01_task-story_run-{k}", seed=k) for k in (10, 2, 1)]
        np.testing.assert_array_equal(load(scan.root).repeats().values, values[::-1])

    def test_the_rows_that_all_repeats_have_are_kept_and_told(self, scan):
        """40 TRs of 2 s from 0 s, and 40 TRs of which the sound begins with the second."""
        first = scan("sub-01_task-story_run-1", seed=1, duration=76.0)
        second = scan("sub-01_task-story_run-2", seed=2, onset=2.0, duration=78.0)
        study = load(scan.root)
        np.testing.assert_array_equal(study.repeats().values, [first[:38], second[1:39]])
        told = "a: the repeats of sub-01 have 38, 39 TRs, of which the 38 that all have are kept."
        assert told in study.describe()

    @pytest.mark.parametrize(
        "other",
        [{"task": "other"}, {"space": "fsaverage6"}, {"confounds": ("motion",)},
         {"resample": True}, {"entities": {"run": "1"}}],
    )  # fmt: skip
    def test_a_store_of_something_else_is_refused(self, scan, other):
        for task in ("story", "other"):
            scan(f"sub-01_task-{task}_run-1", sound=f"{task}.wav")
            scan(f"sub-01_task-{task}_run-1", sound=f"{task}.wav", space="fsaverage6")
        asked = {"task": "story", "space": "fsaverage5", "confounds": None}
        store = scan.root / "store"
        ek.load_study("bids", root=scan.root, **asked, store=store)
        with pytest.raises(ValueError, match="loaded with something else.*another folder as store"):
            ek.load_study("bids", root=scan.root, **asked | other, store=store)
        again = ek.load_study("bids", root=scan.root, **asked, store=store)
        assert again.runs == ["story"]

    def test_a_saved_study_has_them_and_several_repetition_times(self, scan):
        for k in (1, 2):
            scan(f"sub-01_task-story_run-{k}", seed=k)
        scan("sub-01_task-story_run-3", t_r=1.5, sound="b.wav")
        study = load(scan.root, confounds=("wm_csf",), store=scan.root / "store")
        again = load(scan.root, confounds=("wm_csf",), store=scan.root / "store")
        fresh = load(scan.root, confounds=("wm_csf",))
        for one in (study, again):
            assert one.t_rs == [1.5, 2.0]
            np.testing.assert_array_equal(one.repeats().values, fresh.repeats().values)
            assert one.description == fresh.description

    def test_scans_of_other_parts_of_a_sound_are_no_repeats(self, scan):
        for k, kind in ((1, (0.0, 30.0)), (2, (40.0, 30.0))):
            rows = [(0.0, 0.0, "start", "a.wav"), (*kind, "part", "a.wav")]
            scan(f"sub-01_task-story_run-{k}", events=rows)
        with pytest.raises(ValueError, match="share no TR, so they are no repeats: choose one by"):
            load(scan.root, trial_type="part")

    def test_confounds_are_taken_out_scan_by_scan(self, scan):
        """The drift of each scan is its own; of a table that both share neither would be left."""
        import pandas as pd

        rng = np.random.default_rng(5)
        noise = rng.standard_normal((2, 40))
        signal = rng.standard_normal((40, 6))
        for k in (0, 1):
            names = ["csf", "white_matter"]
            table = pd.DataFrame({name: noise[k] * (n + 1) for n, name in enumerate(names)})
            table["white_matter"] += rng.standard_normal(40) * 0.01
            table["cosine00"] = np.cos(np.pi * (np.arange(40) + 0.5) / 40)
            values = signal + 5 * noise[k][:, None]
            scan(f"sub-01_task-story_run-{k + 1}", values=values, confounds=table)
        study = load(scan.root, confounds={"strategy": ["wm_csf", "high_pass"]})
        for k, repeat in enumerate(study.repeats().values):
            r = np.corrcoef(noise[k], repeat.T)[0, 1:]
            assert np.abs(r).max() < 1e-4
        assert np.corrcoef(study.responses()[0].values.ravel(), signal.ravel())[0, 1] > 0.9

    def test_a_ceiling_over_repeats_and_one_over_people(self, scan):
        """One signal, noise of its variance: by 2 repeats, the power of the mean is 2/3 of it."""
        rng = np.random.default_rng(0)
        signal = rng.standard_normal((400, 6))
        for person in ("01", "02", "03"):
            for k in (1, 2):
                values = signal + rng.standard_normal((400, 6))
                scan(f"sub-{person}_task-story_run-{k}", values=values, n_trs=400)
        study = load(scan.root)
        ceiling = ek.noise_ceiling(study.repeats())
        np.testing.assert_allclose(ceiling["ceiling"].values, np.sqrt(2 / 3), atol=0.12)
        assert ek.noise_ceiling(study.responses(), method="people")["ceiling"].mean() > 0.6


class TestLate:
    """A scan that began within the sound has the TRs that it has; one cut short is refused."""

    @pytest.mark.parametrize(("onset", "n_trs"), [(-20.0, 30), (-7.0, 37), (-66.0, 7), (-1.5, 40)])
    def test_its_rows_lie_where_they_were_sampled(self, scan, onset, n_trs):
        scan("sub-01_task-story", seed=1, duration=80.0, onset=onset % 2.0, n_trs=42)
        values = scan("sub-02_task-story", seed=2, onset=onset, duration=80.0, n_trs=n_trs)
        (run,) = load(scan.root).responses(["sub-02"])
        found = run.compute().dropna("time")
        there = 2.0 * np.arange(n_trs) - onset  # s of the sound
        inside = (there >= -1.0) & (there + 1.0 <= 80.0 + 1e-6)
        np.testing.assert_array_equal(found.values, values[inside])
        np.testing.assert_allclose(found.seconds.values, there[inside], atol=1e-6)

    def test_one_that_ends_before_the_sound_is_refused(self, scan):
        scan("sub-01_task-story", onset=-20.0, duration=80.0, n_trs=20)
        with pytest.raises(ValueError, match="20 TRs cover 'a.wav', expected 30: .*ends at 40 s"):
            load(scan.root)

    @pytest.mark.parametrize("duration", [0, 0.0, -3.0])
    def test_a_sound_that_lasts_no_time_is_refused(self, scan, duration):
        scan("sub-01_task-story", events=[(4.0, duration, "x", "a.wav")])
        with pytest.raises(ValueError, match=r"'a.wav' is said to last -?\d s .column duration"):
            load(scan.root)


@pytest.mark.parametrize(
    ("people", "error", "message"),
    [
        (1, TypeError, "participants=1: expected a name .* such as '01'"),
        ([1, 2], TypeError, r"participants=\[1, 2\]: expected a name"),
        ([], ValueError, "names nobody: leave it out"),
        (["1"], ValueError, "unknown participant 'sub-1': did you mean 'sub-01'"),
    ],
)
def test_people_are_named_by_text(scan, people, error, message):
    scan("sub-01_task-story")
    with pytest.raises(error, match=message):
        load(scan.root, participants=people)


class TestRepetitionTimes:
    def test_runs_of_several_keep_their_own(self, scan):
        scan("sub-01_task-story_run-1", t_r=2.0, sound="a.wav")
        values = scan("sub-01_task-story_run-2", t_r=1.5, sound="b.wav", seed=3)
        study = load(scan.root)
        assert [s.t_r for s in study.stimuli] == [2.0, 1.5]
        assert [run.attrs["t_r"] for run in study.responses()] == [2.0, 1.5]
        assert [run.attrs["sample_offset"] for run in study.responses()] == [1.0, 0.75]
        np.testing.assert_allclose(study.responses()[1].seconds, 1.5 * np.arange(40))
        np.testing.assert_array_equal(of(study, "b"), values)

    @pytest.mark.parametrize(
        ("first", "second", "runs"),
        [
            ("run-1", "run-2", ["a_run-1", "a_run-2"]),
            ("acq-slow", "acq-fast", ["a_acq-fast", "a_acq-slow"]),
            ("acq-x_run-1", "acq-x_run-2", ["a_run-1", "a_run-2"]),
        ],
    )
    def test_a_story_at_two_of_them_is_two_runs(self, scan, first, second, runs):
        scan(f"sub-01_task-story_{first}", t_r=2.0)
        scan(f"sub-01_task-story_{second}", t_r=1.0, n_trs=80)
        study = load(scan.root)
        assert study.runs == runs
        assert [s.name for s in study.stimuli] == ["a", "a"]
        times = {s.run_name: s.t_r for s in study.stimuli}
        assert sorted(times.values()) == [1.0, 2.0]
        assert times[f"a_{first.split('_')[-1]}"] == 2.0

    def test_people_of_two_of_them_are_told_apart_by_it(self, scan):
        scan("sub-01_task-story_run-1", t_r=2.0)
        scan("sub-02_task-story_run-1", t_r=1.25)
        assert load(scan.root).runs == ["a_tr-2s", "a_tr-1.25s"]


class TestSounds:
    def test_two_folders_are_two_sounds(self, scan):
        values = [
            scan(f"sub-01_task-story_run-{k}", sound=name, seed=k)
            for k, name in enumerate(("audio/a.wav", "b/a.wav", "c.wav"))
        ]
        study = load(scan.root)
        assert study.runs == ["audio/a", "b/a", "c"]
        for run, expected in zip(study.runs, values, strict=True):
            np.testing.assert_array_equal(of(study, run), expected)
        assert len({s.audio_hash for s in study.stimuli}) == 3
        study.save(scan.root / "saved")
        assert ek.load_study(scan.root / "saved").runs == study.runs

    def test_endings_tell_sounds_apart_where_nothing_else_does(self, scan):
        for k, name in enumerate(("a.wav", "a.flac", "d/a.wav")):
            scan(f"sub-01_task-story_run-{k}", sound=name)
        assert load(scan.root).runs == ["a.wav", "a.flac", "d/a"]

    @pytest.mark.parametrize(
        ("named", "sound"),
        [
            ("audio\\a.wav", "audio/a.wav"),
            ("stimuli/audio/a.wav", "audio/a.wav"),
            ("stimuli\\a.wav", "a.wav"),
            ("C:\\lab\\stimuli\\x\\a.wav", "x/a.wav"),
            ("D:\\exp\\a.wav", "a.wav"),
            ("/data/study/stimuli/x/a.wav", "x/a.wav"),
            ("./a b c.wav", "a b c.wav"),
            ("elsewhere/a.wav", "a.wav"),
            ("bids::stimuli/x/a.wav", "x/a.wav"),
            ("bids:raw:stimuli/a.wav", "a.wav"),
            ("https://osf.io/stimuli/x/a.wav", "x/a.wav"),
            ("file:///data/sounds/x/a.wav", "x/a.wav"),
            ("/data/sounds/x/a.wav", "x/a.wav"),
            ("a.WAV", "a.WAV"),
            (" a.wav ", "a.wav"),
        ],
    )
    def test_a_sound_is_found(self, scan, named, sound):
        scan("sub-01_task-story", sound=sound, events=[(0.0, 80.0, "x", named)])
        (stimulus,) = load(scan.root).stimuli
        assert stimulus.audio == scan.root / "stimuli" / sound

    @pytest.mark.parametrize(
        "named",
        [
            "x/a.wav",
            "/data/sounds/x/a.wav",
            "bids::stimuli/x/a.wav",
            "https://osf.io/abc/x/a.wav",
            "lab/x/a.wav",
        ],
    )
    def test_its_folder_comes_before_its_plain_name(self, scan, named):
        scan("sub-01_task-story", sound="x/a.wav", events=[(0.0, 80.0, "x", named)])
        scan.layouts.write_wav(scan.root / "stimuli/a.wav", 9000, 100, seed=9)
        assert load(scan.root).stimuli[0].audio == scan.root / "stimuli/x/a.wav"

    def test_a_sound_that_is_nowhere_is_named(self, scan):
        scan("sub-01_task-story", sound=None, events=[(0.0, 80.0, "x", "x/a.wav")])
        with pytest.raises(
            FileNotFoundError, match="x/a.wav' is not there, nor is .*stimuli/a.wav"
        ):
            load(scan.root)

    def test_one_sound_cannot_stand_for_two(self, scan):
        for k in (1, 2):
            scan(f"sub-01_task-story_run-{k}", sound="a.wav", events=[
                (0.0, 80.0, "x", f"part{k}/a.wav")])  # fmt: skip
        with pytest.raises(ValueError, match="'part1/a.wav' and 'part2/a.wav' are not at these"):
            load(scan.root)

    def test_people_who_name_one_sound_in_two_ways_heard_one(self, scan):
        names = ["stimuli/a.wav", "a.wav", "C:\\lab\\a.wav"]
        for k, name in enumerate(names, 1):
            scan(f"sub-0{k}_task-story", events=[(0.0, 80.0, "x", name)])
        assert load(scan.root).runs == ["a"]


PNG = (0.0, 10.0, "fixation", "cross.png")
WAV = (10.0, 60.0, "story", "a.wav")


class TestEvents:
    @pytest.mark.parametrize(
        ("rows", "asked"),
        [
            ([PNG, WAV], None),
            ([PNG, WAV], "story"),
            ([PNG, WAV, (75.0, 2.0, "question", "what is it.JPG")], None),
            ([(0.0, 9.0, "film", "intro.mp4"), WAV], None),
            ([(0.0, 9.0, "text", "instructions.txt"), WAV], None),
            ([(0.0, 9.0, "rest", "n/a"), WAV, (70.0, 5.0, "rest", "N/A")], None),
            ([(0.0, 9.0, "beep", "beep.wav"), WAV], "story"),
            ([WAV, (72.0, 5.0, "probe", "probe.ogg"), (78.0, 1.0, "probe", "other.ogg")], "story"),
        ],
    )
    def test_what_is_no_sound_or_of_another_kind_does_not_count(self, scan, rows, asked):
        """The sound begins at 10 s; 30 TRs of 2 s from the sixth are sampled in it."""
        values = scan("sub-01_task-story", events=rows)
        study = load(scan.root, trial_type=asked)
        response = study.responses()[0]
        np.testing.assert_array_equal(response.values, values[5:35])
        np.testing.assert_allclose(response.seconds, 2.0 * np.arange(30))

    def test_a_sound_begins_with_its_first_row_of_any_kind(self, scan):
        """Music from 4 s, story from 10 s of the same file: the story begins 6 s into it."""
        rows = [(4.0, 6.0, "music", "a.wav"), (10.0, 40.0, "story", "a.wav")]
        values = scan("sub-01_task-story", events=rows)
        response = load(scan.root, trial_type="story").responses()[0]
        np.testing.assert_array_equal(response.values, values[5:25])
        np.testing.assert_allclose(response.seconds, 6.0 + 2.0 * np.arange(20))

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ([(0, 5, "one", "a.wav"), (9, 5, "two", "b.wav")],
             r"name 2 sounds \(a.wav, b.wav\).*trial_type='one' \(a.wav\) or trial_type='two'"),
            ([(0, 5, "x", "a.wav"), (9, 5, "x", "b.wav")], "cut the run at its sounds, or give"),
            ([(0, 5, "x", "a.mp4")], "name 0 sounds.*a.mp4 is no sound by its ending"),
            ([(0, 5, "x", "a.png"), (5, 5, "x", "b.png")], "a.png, b.png is no sound"),
            ([(0, "n/a", "x", "a.wav")], r"row 1: onset '0', duration 'n/a'\): give seconds"),
            ([(0, 100, "x", "a.wav"), (5, 75, "x", "a.wav")], "expected 50: the scan has 40 TRs"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_told_is_refused(self, scan, rows, message):
        scan("sub-01_task-story", events=rows)
        with pytest.raises(ValueError, match=message):
            load(scan.root)

    def test_a_sound_that_is_played_twice_in_a_run_is_told(self, scan):
        scan(
            "sub-01_task-story",
            sound=None,
            events=[(0, 30, "one", "s.wav"), (40, 30, "two", "s.wav")],
        )
        scan.layouts.write_wav(scan.root / "stimuli/s.wav", 3000, 100)
        with pytest.raises(ValueError, match=r"after the end of 's' \(30 s\).*played twice"):
            load(scan.root)


def tiers(**named):
    return {name: [(0, 1, "sp"), (1, 2, text)] for name, text in named.items()}


class TestTiers:
    def write(self, scan, layouts, grid):
        scan("sub-01_task-story")
        (scan.root / "stimuli/a.TextGrid").write_text(layouts.textgrid(grid, 2))

    @pytest.mark.parametrize(
        ("names", "phones"),
        [
            (("word", "phone"), True),
            (("words", "phones"), True),
            (("word",), False),
            (("words", "notes"), False),
            (("Words", "Phones"), True),
        ],
    )
    def test_names_of_aligners_are_known(self, scan, layouts, names, phones):
        self.write(scan, layouts, tiers(**dict(zip(names, ("the", "DH"), strict=False))))
        (stimulus,) = load(scan.root).stimuli
        assert stimulus.words.word.tolist() == ["the"]
        assert stimulus.words.onset.tolist() == [1.0]
        assert (stimulus.phones is not None) == phones
        if phones:
            assert stimulus.phones.phone.tolist() == ["DH"]

    def test_names_that_are_asked_for(self, scan, layouts):
        self.write(scan, layouts, tiers(mots="le", sons="L", other="x"))
        (stimulus,) = load(scan.root, word_tier="mots", phone_tier="sons").stimuli
        assert stimulus.words.word.tolist() == ["le"]
        assert stimulus.phones.phone.tolist() == ["L"]

    def test_a_guess_is_told_with_the_parameter_of_this_loader(self, scan, layouts):
        self.write(scan, layouts, {"ORT-MAU": [(0, 2, "das")], "MAU": [(0, 2, "d")]})
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            (stimulus,) = load(scan.root).stimuli
        texts = [str(warning.message) for warning in caught]
        assert any("word_tier='ORT-MAU'" in text for text in texts)
        assert any("phone_tier='MAU'" in text for text in texts)
        assert (stimulus.words.word[0], stimulus.phones.phone[0]) == ("das", "d")

    def test_two_speakers_are_refused_with_the_parameter_of_this_loader(self, scan, layouts):
        self.write(scan, layouts, {"Ann - words": [(0, 2, "hi")], "Bob - words": [(0, 2, "ho")]})
        with pytest.raises(ValueError, match="word_tier="):
            load(scan.root)
        (stimulus,) = load(scan.root, word_tier="Bob - words").stimuli
        assert stimulus.words.word.tolist() == ["ho"]

    def test_silence_is_what_the_user_says(self, scan, layouts):
        self.write(scan, layouts, {"word": [(0, 1, "<p:>"), (1, 2, "sp")]})
        (stimulus,) = load(scan.root, silence={"<p:>"}).stimuli
        assert stimulus.words.word.tolist() == ["sp"]

    def test_tables_lie_beside_their_sound(self, scan):
        for k, (sound, word) in enumerate((("x/a.wav", "one"), ("y/a_audio.wav", "two"))):
            scan(f"sub-01_task-story_run-{k}", sound=sound)
            table = scan.root / "stimuli" / sound.replace("_audio", "").replace(".wav", ".csv")
            table.write_text(f"word,onset,duration\n{word},1.0,0.5\n")
        words = {s.run_name: s.words.word.tolist() for s in load(scan.root).stimuli}
        assert words == {"x/a": ["one"], "y/a_audio": ["two"]}
