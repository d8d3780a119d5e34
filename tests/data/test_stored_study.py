import json
import pickle

import numpy as np
import pandas as pd
import pytest
import soundfile
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from encodekit.data import Stimulus, Study, check_disjoint
from encodekit.data._stored_audio import store_audio
from encodekit.saving import load_study


@pytest.fixture
def saved(study, tmp_path):
    return study.save(tmp_path / "tiny")


@pytest.fixture
def reads(monkeypatch):
    """The arrays of responses that were read."""
    seen = []
    get = zarr.Array.__getitem__

    def counted(self, key):
        seen.append("/".join(self.store._files.root.parts[-2:]))
        return get(self, key)

    monkeypatch.setattr(zarr.Array, "__getitem__", counted)
    return seen


class TestRoundTrip:
    def test_responses_and_repeats_come_back_as_they_were(self, study, saved):
        again = load_study(saved)
        for mine, theirs in zip(study.responses(), again.responses(), strict=True):
            xr.testing.assert_identical(theirs.compute(), mine)
        xr.testing.assert_identical(again.repeats().compute(), study.repeats())
        assert again.describe() == study.describe()

    def test_stimuli_come_back_as_they_were(self, study, saved):
        for mine, theirs in zip(study.stimuli, load_study(saved).stimuli, strict=True):
            assert repr(mine) == repr(theirs)
            assert mine.content_hash == theirs.content_hash
            np.testing.assert_array_equal(mine.load_audio(), theirs.load_audio())
            np.testing.assert_array_equal(mine.grid, theirs.grid)
            pd.testing.assert_frame_equal(mine.words, theirs.words)

    def test_the_stored_hash_is_that_of_the_stored_audio(self, saved):
        stimulus = load_study(saved).stimuli[0]
        stated = stimulus.audio_hash
        del vars(stimulus)["audio_hash"]
        assert stimulus.audio_hash == stated

    def test_the_stored_file_has_the_hash_of_the_sound_that_was_saved(self, new_response, tmp_path):
        whole = np.clip(np.round(np.linspace(-3, 3, 8000)), -2, 2) / 32768  # with negative zeros
        assert np.signbit(whole[whole == 0]).any()
        stimulus = Stimulus("s", whole, 1000, t_r=2.0)
        study = Study("s", [stimulus], {"P1": {"s": new_response(stimulus)}})
        again = load_study(study.save(tmp_path / "s")).stimuli[0]
        alone = Stimulus("other", again.audio)
        assert alone.audio.suffix == ".flac"
        assert alone.audio_hash == again.audio_hash == stimulus.audio_hash
        with pytest.raises(ValueError, match="have the same audio"):
            check_disjoint({"fit": [again], "test": [alone]})

    def test_the_truth_survives(self, study, tmp_path):
        truth = xr.Dataset({"share": ("target", np.arange(5.0)), "signal": study.responses()[0]})
        known = Study(
            "k", study.stimuli, study._contents.responses, truth=truth, description="Known."
        )
        again = load_study(known.save(tmp_path / "k"))
        xr.testing.assert_identical(again.truth, truth)
        assert again.description == "Known."
        assert load_study(study.save(tmp_path / "s")).truth is None

    def test_confounds_survive(self, stimuli, new_response, tmp_path):
        table = pd.DataFrame({"x": np.arange(18.0)})
        tables = {"P1": {"story-00": table}}
        study = Study("c", stimuli[:1], {"P1": [new_response(stimuli[0])]}, confounds=tables)
        again = load_study(study.save(tmp_path / "c"))
        pd.testing.assert_frame_equal(again._contents.confounds["P1"]["story-00"][0], table)

    def test_segments_survive_and_share_one_file_of_sound(self, study, tmp_path):
        cut = study.segment("story-00", 2, gap=4).select(["story-00/part-1", "story-00/part-2"])
        again = load_study(cut.save(tmp_path / "cut"))
        assert [path.name for path in (tmp_path / "cut" / "audio").iterdir()] == ["0000.npy"]
        assert len(list((tmp_path / "cut" / "words").iterdir())) == 1
        assert again.split(test="story-00/part-2").test.stimuli[0].gap == 4
        np.testing.assert_array_equal(again.stimuli[1].grid, cut.stimuli[1].grid)

    def test_words_that_look_like_something_else_stay_words(self, new_response, tmp_path):
        words = pd.DataFrame({
            "word": ["NA", "1.0", "", 'say "x"', "a\tb", "True"],
            "onset": [0.1, 0.2, 1 / 3, 0.7, 0.8, 0.9],
            "duration": [0.1] * 6,
            "rank": np.arange(6, dtype=np.int16),
            "stress": [True, False] * 3,
            "pitch": [np.nan, 1e-300, 0.1, 2.0, 3.0, np.inf],
        })  # fmt: skip
        stimulus = Stimulus("a", words=words, t_r=2.0, duration=10)
        study = Study("w", [stimulus], {"P1": [new_response(stimulus)]})
        again = load_study(study.save(tmp_path / "w")).stimuli[0]
        pd.testing.assert_frame_equal(again.words, words)
        assert again.content_hash == stimulus.content_hash

    def test_what_was_opened_can_be_cleaned_cut_and_saved_onto_itself(self, study, saved):
        again = load_study(saved).segment("story-02", 2, gap=4)
        expected = study.segment("story-02", 2, gap=4).responses()
        again.save(saved)
        for mine, theirs in zip(expected, load_study(saved).responses(), strict=True):
            xr.testing.assert_identical(theirs.compute(), mine)


class TestLazy:
    def test_opening_and_joining_read_no_response(self, saved, reads):
        study = load_study(saved)
        train, test = study.split(test="story-03")
        runs = [*train.responses(participants="P2", regions="A1"), test.repeats()]
        assert reads == []
        lazy = [run.chunks is not None for run in runs]
        assert lazy == [True, False, True, True]  # P2 lacks the second: nothing to read
        runs[0].compute()
        assert reads == ["1/0"]

    def test_a_block_is_a_run_of_a_participant(self, saved):
        assert load_study(saved).responses()[0].chunks == ((18,), (3, 2))

    def test_lazy_responses_can_be_sent_to_another_process(self, study, saved):
        sent = pickle.loads(pickle.dumps(load_study(saved).responses()[0]))
        np.testing.assert_array_equal(sent.values, study.responses()[0].values)


class TestDamage:
    def test_a_flipped_bit_in_a_response_is_found_when_it_is_read(self, saved):
        chunks = sorted(p for p in (saved / "responses.zarr" / "0" / "0").rglob("*") if p.is_file())
        chunk = next(path for path in chunks if path.name != "zarr.json")
        content = bytearray(chunk.read_bytes())
        content[len(content) // 2] ^= 1
        chunk.write_bytes(content)
        study = load_study(saved)
        with pytest.raises(OSError, match="the response of 'P1' in run 'story-00' cannot be read"):
            study.responses()[0].compute()
        with pytest.raises(ValueError, match="is damaged"):
            load_study(saved, verify=True)

    def test_a_flipped_bit_in_the_index_is_found_at_once(self, saved):
        text = (saved / "study.json").read_text()
        (saved / "study.json").write_text(text.replace("story-00", "story-11"))
        with pytest.raises(ValueError, match=r"is damaged.*study.json has sha256"):
            load_study(saved)

    def test_a_damaged_truth_is_found_when_it_is_asked_for(self, study, tmp_path):
        truth = xr.Dataset({"share": ("target", np.arange(5.0))})
        path = Study("k", study.stimuli, study._contents.responses, truth=truth).save(
            tmp_path / "k"
        )
        content = bytearray((path / "truth.safetensors").read_bytes())
        content[-1] ^= 1
        (path / "truth.safetensors").write_bytes(content)
        with pytest.raises(ValueError, match="is damaged .*: truth.safetensors has sha256"):
            _ = load_study(path).truth

    def test_a_missing_response_is_found_at_once(self, saved):
        for path in (saved / "responses.zarr" / "1" / "0" / "c").rglob("*"):
            if path.is_file():
                path.unlink()
        with pytest.raises(ValueError, match=r"responses.zarr/1/0/c/0/0/0 is missing"):
            load_study(saved)

    def test_an_interrupted_save_leaves_nothing(self, study, tmp_path, monkeypatch):
        def full(*arguments):
            raise OSError("disk full")

        monkeypatch.setattr("encodekit.data._stored_study.store_run", full)
        with pytest.raises(OSError, match="disk full"):
            study.save(tmp_path / "s")
        assert list(tmp_path.iterdir()) == []

    def test_a_table_that_cannot_be_kept_is_named(self, new_response, tmp_path):
        words = pd.DataFrame({"word": ["a"], "onset": [0.0], "duration": [1.0], "x": [object()]})
        stimulus = Stimulus("a", words=words, t_r=2.0, duration=10)
        study = Study("w", [stimulus], {"P1": [new_response(stimulus)]})
        with pytest.raises(TypeError, match="column 'x' of a words table holds neither"):
            study.save(tmp_path / "w")


class TestSound:
    @settings(max_examples=25, deadline=None)
    @given(st.sampled_from([16, 24]), st.integers(1, 50), st.integers(0, 2**32 - 1))
    def test_whole_numbers_survive_flac_bit_by_bit(self, tmp_path_factory, bits, n, seed):
        top = 2 ** (bits - 1)
        whole = np.random.default_rng(seed).integers(-top, top, n)
        samples = (whole / top).astype(np.float32)
        path = store_audio(samples, 16000, tmp_path_factory.mktemp("a") / "x")
        assert path.suffix == ".flac"
        np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0], samples)

    @pytest.mark.parametrize("value", [1 / 3, 1.0, -1.5])
    def test_other_samples_are_kept_as_they_are(self, tmp_path, value):
        samples = np.full(8, value, dtype=np.float32)
        path = store_audio(samples, 16000, tmp_path / "x")
        assert path.suffix == ".npy"
        np.testing.assert_array_equal(np.load(path), samples)


def test_nothing_in_the_folder_is_pickled(saved):
    for path in saved.rglob("*"):
        assert path.suffix not in (".pkl", ".pickle", ".pt", ".joblib")
    assert json.loads((saved / "manifest.json").read_text())["kind"] == "study"
    assert json.loads((saved / "responses.zarr" / "zarr.json").read_text())["zarr_format"] == 3


class TestResume:
    def test_an_interrupted_save_goes_on_and_gives_the_same_folder(self, study, tmp_path):
        whole = study.save(tmp_path / "whole")
        written = []

        def stop_after_two(count):
            written.append(count)
            if len(written) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            study.save(tmp_path / "mine", resume=True, tick=stop_after_two)
        assert not (tmp_path / "mine").exists()
        (partial,) = tmp_path.glob(".mine.*.resumed")
        kept = {path: path.stat().st_mtime_ns for path in partial.rglob("0/0/**/*")}
        study.save(tmp_path / "mine", resume=True, tick=written.append)
        assert len(written) == 2 + 7
        assert _manifest(tmp_path / "mine") == _manifest(whole)
        moved = {tmp_path / "mine" / path.relative_to(partial): at for path, at in kept.items()}
        assert all(path.stat().st_mtime_ns == at for path, at in moved.items() if path.is_file())
        assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "whole"]

    def test_a_line_cut_from_the_journal_is_not_done(self, study, tmp_path):
        with pytest.raises(ZeroDivisionError):
            study.save(tmp_path / "mine", resume=True, tick=lambda _: 1 / 0)
        (partial,) = tmp_path.glob(".mine.*.resumed")
        journal = partial / ".journal"
        assert journal.read_text().startswith("0/0 ")
        journal.write_text(journal.read_text() + "0/1")
        study.save(tmp_path / "mine", resume=True)
        assert _manifest(tmp_path / "mine") == _manifest(study.save(tmp_path / "whole"))

    def test_another_study_does_not_go_on_with_it(self, study, tmp_path):
        with pytest.raises(ZeroDivisionError):
            study.save(tmp_path / "mine", resume=True, tick=lambda _: 1 / 0)
        other = study.select(participants="P2")
        other.save(tmp_path / "mine", resume=True)
        assert load_study(tmp_path / "mine").participants == ["P2"]
        assert [path.name for path in tmp_path.iterdir()] == ["mine"]

    def test_a_full_disk_is_told_before_anything_is_written(self, study, tmp_path, monkeypatch):
        from encodekit.data import _stored_study

        usage = _stored_study.shutil.disk_usage(tmp_path)
        monkeypatch.setattr(_stored_study.shutil, "disk_usage", lambda _: usage._replace(free=0))
        with pytest.raises(OSError, match=r"takes up to .* GB but .* has 0.0 GB free"):
            study.save(tmp_path / "mine", resume=True)
        assert list(tmp_path.iterdir()) == []


def _manifest(folder):
    return json.loads((folder / "manifest.json").read_text())["files"]
