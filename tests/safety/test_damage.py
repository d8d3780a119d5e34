"""Damaged, exchanged or mixed data never pass for whole."""

import json
import os
import random
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
import xarray as xr

import encodekit as ek
from encodekit.core import write_manifest

N_FLIPS = 40


def flips(content, draw, n=N_FLIPS):
    """Yield the content with one bit changed, at places all over it."""
    for _ in range(n):
        changed = bytearray(content)
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        yield bytes(changed)


@pytest.fixture
def draw():
    return random.Random(0)


def kind_of_error(call):
    try:
        call()
    except Exception as error:  # noqa: BLE001 (the question is which)
        return type(error)
    return None


def scores_of(dataset):
    return next(name for name, found in dataset.data_vars.items() if found.shape == (1, 500))


class TestSound:
    @pytest.mark.parametrize("whole", [True, False], ids=["flac", "npy"])
    def test_every_flip_in_a_stored_sound_is_named_or_changes_nothing(
        self, dying, tmp_path, draw, whole
    ):
        study = dying.small_study(1, ["P1"], whole=whole)
        saved = study.save(tmp_path / "study")
        path = next(item for item in (saved / "audio").iterdir())
        assert path.suffix == (".flac" if whole else ".npy")
        true, content = study.stimuli[0].load_audio(), path.read_bytes()
        stimulus = ek.load_study(saved).stimuli[0]
        for changed in flips(content, draw):
            path.write_bytes(changed)
            try:
                np.testing.assert_array_equal(stimulus.load_audio(), true)
            except ValueError:
                continue

    def test_a_damaged_sound_makes_no_features_and_leaves_none_in_the_cache(
        self, saved_study, tmp_path
    ):
        path = saved_study / "audio" / "0000.npy"
        content = bytearray(path.read_bytes())
        content[4000:4400] = bytes(400)
        path.write_bytes(content)
        stimulus = ek.load_study(saved_study).stimuli[0]
        extractor = ek.MelSpectrogram(n_mels=4, cache=tmp_path / "cache")
        with pytest.raises(ValueError, match="is damaged, or was exchanged"):
            extractor.transform([stimulus])
        assert not list((tmp_path / "cache").glob("*")) if (tmp_path / "cache").exists() else True

    def test_two_sounds_that_changed_places_are_named(self, saved_study):
        first, second = (saved_study / "audio" / f"000{n}.npy" for n in (0, 1))
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(content)
        for stimulus in ek.load_study(saved_study).stimuli:
            with pytest.raises(ValueError, match="is damaged, or was exchanged"):
                stimulus.load_audio()

    def test_segments_and_copies_sent_elsewhere_check_their_sound_too(self, saved_study):
        import pickle

        study = ek.load_study(saved_study)
        parts = study.segment("s0", 2, gap="2s").stimuli[:2]
        sent = pickle.loads(pickle.dumps(study.stimuli[0]))
        path = saved_study / "audio" / "0000.npy"
        shutil.copy(saved_study / "audio" / "0001.npy", path)
        for stimulus in [*parts, sent]:
            with pytest.raises(ValueError, match="is damaged, or was exchanged"):
                stimulus.load_audio()

    def test_a_file_of_the_user_that_changed_after_its_hash_was_taken_is_named(self, tmp_path):
        rng = np.random.default_rng(0)
        path = tmp_path / "story.wav"
        soundfile.write(path, rng.standard_normal(8000) * 0.1, 2000)
        stimulus = ek.Stimulus("story", path, t_r=1.0)
        rows = ek.MelSpectrogram(n_mels=4, cache=tmp_path / "cache").transform([stimulus])
        soundfile.write(path, rng.standard_normal(8000) * 0.1, 2000)
        with pytest.raises(ValueError, match="is damaged, or was exchanged"):
            ek.MelSpectrogram(n_mels=5, cache=tmp_path / "cache").transform([stimulus])
        anew = ek.MelSpectrogram(n_mels=4, cache=tmp_path / "cache").transform(
            [ek.Stimulus("story", path, t_r=1.0)]
        )
        assert not np.allclose(anew.values, rows.values)


class TestStudy:
    def test_saved_over_while_open_it_never_gives_others_responses(self, dying, tmp_path):
        saved = dying.small_study(seed=0).save(tmp_path / "study")
        opened = ek.load_study(saved)
        responses, stimulus = opened.responses(), opened.stimuli[0]
        dying.small_study(seed=1).save(saved)
        for response in responses:
            with pytest.raises(OSError, match="saved over since it was opened"):
                response.compute()
        with pytest.raises(ValueError, match="is damaged, or was exchanged"):
            stimulus.load_audio()
        assert np.isfinite(ek.load_study(saved).responses()[0].values).all()

    def test_a_truth_of_another_version_is_not_given(self, dying, tmp_path):
        def with_truth(value):
            study = dying.small_study()
            truth = xr.Dataset({"share": ("target", np.full(4, value))})
            return ek.Study("t", study.stimuli, study._contents.responses, truth=truth)

        saved = with_truth(1.0).save(tmp_path / "study")
        opened = ek.load_study(saved)
        with_truth(2.0).save(saved)
        with pytest.raises(ValueError, match="is damaged"):
            _ = opened.truth

    def test_chunks_that_changed_places_are_named(self, saved_study):
        chunks = [
            next(
                p
                for p in (saved_study / "responses.zarr" / "0" / run / "c").rglob("*")
                if p.is_file()
            )
            for run in "01"
        ]
        content = [chunk.read_bytes() for chunk in chunks]
        for chunk, other in zip(chunks, reversed(content), strict=True):
            chunk.write_bytes(other)
        with pytest.raises((OSError, ValueError), match="damaged"):
            ek.load_study(saved_study).responses()[0].compute()

    @pytest.mark.parametrize("harm", ["lost", "cut"])
    def test_a_run_that_lost_a_file_while_its_save_was_interrupted_is_saved_again(
        self, study, tmp_path, harm
    ):
        ticks = []

        def interrupt(n_bytes):
            ticks.append(n_bytes)
            if len(ticks) == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            study.save(tmp_path / "s", resume=True, tick=interrupt)
        partial = next(tmp_path.glob(".s.*.resumed"))
        chunk = next(
            path for path in (partial / "responses.zarr/0/0/c").rglob("*") if path.is_file()
        )
        chunk.unlink() if harm == "lost" else chunk.write_bytes(chunk.read_bytes()[:-3])
        again = ek.load_study(study.save(tmp_path / "s", resume=True))
        for mine, theirs in zip(again.responses(), study.responses(), strict=True):
            np.testing.assert_array_equal(mine.values, theirs.values)

    @pytest.mark.parametrize("name", ["zarr.json", "c/0/0/0"])
    def test_every_flip_in_a_response_is_named(self, saved_study, draw, name):
        path = saved_study / "responses.zarr" / "0" / "0" / name
        study, content = ek.load_study(saved_study), path.read_bytes()
        for changed in flips(content, draw, 20):
            path.write_bytes(changed)
            with pytest.raises(OSError, match="cannot be read"):
                study.responses()[0].compute()

    @pytest.mark.parametrize(
        "change",
        [
            {"audio": "/etc/hostname"},
            {"audio": "../secret.npy"},
            {"audio": "audio/../../secret.npy"},
            {"audio": "audio/not-listed.npy"},
            {"audio": ""},
            {"words": {"file": "../secret.tsv", "columns": {}}},
            {"words": {"file": "manifest.json", "columns": {}}},
            {"phones": {"file": "/etc/passwd", "columns": {}}},
        ],
        ids=str,
    )
    def test_a_path_that_leaves_the_folder_is_not_read(self, saved_study, tmp_path, change):
        np.save(tmp_path / "secret.npy", np.full(24000, 0.25, "f4"))
        (tmp_path / "secret.tsv").write_text("word\tonset\tduration\nsecret\t0.1\t0.5\n")
        tree = json.loads((saved_study / "study.json").read_text())
        tree["stimuli"][0].update(change)
        (saved_study / "study.json").write_text(json.dumps(tree))
        write_manifest(saved_study, "study")
        shutil.copy(tmp_path / "secret.npy", saved_study / "audio" / "not-listed.npy")
        with pytest.raises(ValueError, match="is not listed in its manifest.json") as caught:
            ek.load_study(saved_study)
        assert type(caught.value) is ValueError

    @pytest.mark.parametrize("key", ["../../../other", "/", "", "0", "1/../1/0", "0/0/c"])
    def test_nor_is_a_response_elsewhere(self, saved_study, key):
        tree = json.loads((saved_study / "study.json").read_text())
        tree["participants"]["P1"]["runs"]["s0"]["array"] = key
        (saved_study / "study.json").write_text(json.dumps(tree))
        write_manifest(saved_study, "study")
        with pytest.raises((OSError, ValueError)):
            ek.load_study(saved_study).responses()[0].compute()

    def test_a_pipe_in_the_place_of_a_sound_is_named_at_once(self, saved_study):
        (saved_study / "audio" / "0000.npy").unlink()
        os.mkfifo(saved_study / "audio" / "0000.npy")
        with pytest.raises(ValueError, match="0000.npy has 0 bytes|is missing|is no file"):
            ek.load_study(saved_study)

    @pytest.mark.parametrize(
        "content",
        ["", "{", "[]", "null", "3", '{"name": 1}', '{"stimuli": 3}', "[" * 50_000, "\0", "{}"],
        ids=lambda text: text[:12],
    )
    def test_a_malformed_description_is_one_error(self, saved_study, content):
        (saved_study / "study.json").write_text(content)
        write_manifest(saved_study, "study")
        with pytest.raises(ValueError, match="malformed study|is damaged") as caught:
            ek.load_study(saved_study)
        assert type(caught.value) is ValueError


class TestWeightsOnDisk:
    def test_a_flip_in_a_store_of_weights_is_named(self, tmp_path, draw):
        rng = np.random.default_rng(0)
        X, Y = rng.standard_normal((40, 6)).astype("f4"), rng.standard_normal((40, 9)).astype("f4")
        store = tmp_path / "coef"
        fitted = ek.RidgeCV(alphas=[1.0], coef_store=store, cv=2).fit(
            X, Y, runs=["a"] * 20 + ["b"] * 20
        )
        true = np.asarray(fitted.predict(X))
        chunk = next(path for path in (store / "c").rglob("*") if path.is_file())
        content = chunk.read_bytes()
        for changed in flips(content, draw):
            chunk.write_bytes(changed)
            with pytest.raises((ValueError, RuntimeError)):
                np.asarray(fitted.predict(X))
        chunk.write_bytes(content)
        np.testing.assert_array_equal(np.asarray(fitted.predict(X)), true)


MODELS = {
    "deep": '{"model":' + "[" * 100_000 + "]" * 100_000 + "}",
    "no kind": '{"model": {"a": 1}}',
    "a list as kind": '{"model": {"$": []}}',
    "no model": "{}",
    "a list": "[]",
    "unhashable key": '{"model": {"$": "dict", "items": [[[], 1]]}}',
    "an array that is not there": '{"model": {"$": "array", "key": "nope"}}',
    "a bare estimator": '{"model": {"$": "estimator", "class": "encodekit:Delayer"}}',
    "parameters of others": '{"model": {"$": "estimator", "class": "encodekit:Delayer", '
    '"params": {"evil": 1}, "requests": null}}',
    "a private kind": '{"model": {"$": "keep"}}',
    "a range that stands still": '{"model": {"$": "range", "items": [0, 1, 0]}}',
    "too much text": '{"model": {"$": "text", "key": "x", "shape": [1000000000000]}}',
    "too many objects": '{"model": {"$": "objects", "shape": [9000000000000], "items": []}}',
    "a class that is no text": '{"model": {"$": "estimator", "class": 3, "params": {}}}',
    "parameters that are a list": '{"model": {"$": "estimator", "class": "encodekit:Delayer", '
    '"params": [], "requests": null}}',
    "a state elsewhere": '{"model": {"$": "estimator", "class": "encodekit:Delayer", "params": {}, '
    '"state": {}, "folder": "../other", "requests": null}}',
    "settings of nobody": '{"model": {"$": "settings", "class": "own:X", "type": "X"}}',
    "a float that is none": '{"model": {"$": "float", "value": "x"}}',
}


class TestModel:
    @pytest.mark.parametrize("content", MODELS.values(), ids=MODELS)
    def test_a_malformed_model_is_one_error(self, tmp_path, content):
        folder = ek.save(ek.Delayer(seconds=[2]), tmp_path / "model")
        (folder / "model.json").write_text(content)
        write_manifest(folder, "model")
        assert kind_of_error(lambda: ek.load(folder)) is ValueError

    @pytest.mark.parametrize(
        "content",
        [
            (2**40).to_bytes(8, "little") + b"{}",
            b"",
            b"\0" * 8,
            b'\x10\0\0\0\0\0\0\0{"a":{"dtype":"F3',
        ],
        ids=["a header of a terabyte", "nothing", "zeros", "cut"],
    )
    def test_malformed_arrays_are_one_error(self, tmp_path, content):
        folder = ek.save(ek.Delayer(seconds=[2]), tmp_path / "model")
        (folder / "model.safetensors").write_bytes(content)
        write_manifest(folder, "model")
        assert kind_of_error(lambda: ek.load(folder)) is ValueError

    def test_a_file_that_is_no_longer_listed_is_not_read(self, tmp_path):
        folder = ek.save(ek.Delayer(seconds=[2]), tmp_path / "model")
        manifest = json.loads((folder / "manifest.json").read_text())
        del manifest["files"]["model.json"]
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(ValueError, match="'model.json' is not listed"):
            ek.load(folder)


@pytest.fixture
def result():
    names = [f"P1/left/{n:05d}" for n in range(500)]
    values = np.random.default_rng(0).uniform(0, 0.3, (1, 500))
    coords = {"model": ["m"], "target": names, "participant": ("target", ["P1"] * 500)}
    scores = xr.DataArray(values, dims=("model", "target"), coords=coords)
    table = pd.DataFrame({"layer": [1, 2], "score": [0.1, 0.2]})
    return ek.Result("r", scores, tables={"layers": table})


class TestResult:
    def test_every_flip_in_a_file_is_named(self, result, tmp_path, draw):
        path = result.save(tmp_path / "r.nc")
        for changed in flips(path.read_bytes(), draw, 150):
            path.write_bytes(changed)
            with pytest.raises(ValueError, match="is damaged|no saved result|not a saved result"):
                ek.Result.load(path)

    @pytest.mark.parametrize("share", [0, 0.1, 0.3, 0.6, 0.9, 0.999])
    def test_a_cut_file_is_named(self, result, tmp_path, share):
        path = result.save(tmp_path / "r.nc")
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ValueError, match="damaged|not a saved result"):
            ek.Result.load(path)

    def test_zeros_and_more_at_the_end_are_named(self, result, tmp_path):
        path = result.save(tmp_path / "r.nc")
        content = path.read_bytes()
        for changed in (content[:-512] + bytes(512), content + b"\0", bytes(len(content))):
            path.write_bytes(changed)
            with pytest.raises(ValueError, match="damaged|not a saved result"):
                ek.Result.load(path)

    def test_a_file_that_another_program_changed_is_named(self, result, tmp_path):
        path = result.save(tmp_path / "r.nc")
        with xr.open_dataset(path, engine="scipy") as opened:
            changed = opened.load()
        changed[scores_of(changed)] *= 2
        path.write_bytes(bytes(changed.to_netcdf(engine="scipy")))
        with pytest.raises(ValueError, match="was changed since it was saved"):
            ek.Result.load(path)

    def test_every_flip_in_a_folder_is_named(self, result, tmp_path, draw):
        folder = result.save(tmp_path / "r.zarr")
        for path in [item for item in folder.rglob("*") if item.is_file()]:
            content = path.read_bytes()
            for changed in flips(content, draw, 4):
                path.write_bytes(changed)
                with pytest.raises((ValueError, FileNotFoundError)):
                    ek.Result.load(folder)
            path.write_bytes(content)
        np.testing.assert_array_equal(ek.Result.load(folder).scores.values, result.scores.values)

    @pytest.mark.parametrize("digit", ["0", "a"])
    @pytest.mark.parametrize("between", [": ", "\0\0\0\x02\0\0\0@", ""])
    def test_a_name_that_looks_like_a_sum_is_a_name(self, result, tmp_path, digit, between):
        from dataclasses import replace

        name = f"encodekit_sha256{between}{digit * 64}"
        path = replace(result, name=name).save(tmp_path / "r.nc")
        assert ek.Result.load(path).name == name

    def test_other_tools_still_read_both(self, result, tmp_path):
        with xr.open_dataset(result.save(tmp_path / "r.nc"), engine="scipy") as opened:
            np.testing.assert_array_equal(opened[scores_of(opened)], result.scores.values)
        opened = xr.open_zarr(result.save(tmp_path / "r.zarr"), zarr_format=2, chunks=None)
        np.testing.assert_array_equal(opened[scores_of(opened)], result.scores.values)
