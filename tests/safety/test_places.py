"""Nothing that encodekit did not write is removed, moved or replaced."""

import os

import numpy as np
import pytest

import encodekit as ek
from encodekit.experiments import run_experiment

EXPERIMENT = """
title: t
seed: 1
study: {path: study}
split: {fit: [s0, s1], test: [s2]}
models: {mel: {features: {name: mel, n_mels: 4}}}
delays: [2]
regressor: {name: ridge}
score: {metric: correlation, ceiling: false, by: [participant]}
"""


@pytest.fixture
def experiment(dying, tmp_path, monkeypatch):
    monkeypatch.setenv("ENCODEKIT_CACHE", str(tmp_path / "own-cache"))
    dying.small_study(3, secs=24).save(tmp_path / "study")
    (tmp_path / "e.yaml").write_text(EXPERIMENT)
    return tmp_path / "e.yaml"


pytestmark = pytest.mark.filterwarnings("ignore:.*alpha of the grid:UserWarning")


class TestResults:
    @pytest.mark.parametrize(
        "name", ["table.csv", "result.nc", "provenance.json", "experiment.json", "models", "scores"]
    )
    def test_a_file_of_others_with_the_name_of_a_result_is_named_and_kept(self, experiment, name):
        output = experiment.parent / "mine"
        output.mkdir()
        (output / name).write_text("mine")
        with pytest.raises(FileExistsError, match=f"holds '{name}', and no results of encodekit"):
            run_experiment(experiment, output=output)
        assert (output / name).read_text() == "mine"
        assert [path.name for path in output.iterdir()] == [name]

    def test_other_files_lie_beside_the_results_and_runs_go_on(self, experiment):
        output = experiment.parent / "mine"
        output.mkdir()
        (output / "notes.md").write_text("mine")
        for _ in range(2):
            run_experiment(experiment, output=output)
        assert (output / "notes.md").read_text() == "mine"

    @pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "of another"])
    def test_a_damaged_result_of_a_step_is_made_again(self, experiment, damage):
        told = []
        run_experiment(experiment, say=told.append)
        before = len(told)
        path = next((experiment.parent / "e-results" / "scores").glob("*.nc"))
        content = path.read_bytes()
        other = content[:-9] + bytes([content[-9] ^ 4]) + content[-8:]
        damaged = {"empty": b"", "cut": content[:-100], "flipped": other, "of another": b"CDF\1"}
        path.write_bytes(damaged[damage])
        again = run_experiment(experiment, say=told.append)
        assert not any("kept" in text for text in told[before:] if "mel" in text)
        np.testing.assert_array_equal(ek.Result.load(path).scores, again.scores)


class TestStems:
    """The cache of what a backbone's frozen stem makes."""

    @pytest.fixture
    def cache(self):
        pytest.importorskip("torch")
        from encodekit_brain_tuning.backbones import StemCache, load_backbone

        backbone = load_backbone("tiny", dropout=0.0)
        rng = np.random.default_rng(0)
        audio = rng.standard_normal(3 * 16000).astype("f4")
        stimulus = ek.Stimulus("s", audio, 16000, t_r=1.0)

        def frames(folder, spans=((0, 16000), (16000, 48000)), limit=20.0):
            made = StemCache(folder, limit=limit)
            return np.array(made.frames(backbone, stimulus, audio, list(spans)).values)

        return frames

    @pytest.mark.parametrize(
        "name",
        [
            "my_responses.npy", "a" * 64 + ".npy", "0" * 64 + ".stems", "x.stems",
            ".a.deadbeef.partial", "0" * 64 + ".stems.npy",
        ],
    )  # fmt: skip
    def test_making_room_removes_only_its_own_files(self, cache, tmp_path, name):
        limit = 1.5e-9 * cache(None, [(0, 16000)]).nbytes
        (tmp_path / name).write_bytes(bytes(400_000))
        os.utime(tmp_path / name, (1e9, 1e9))
        for start in range(4):
            cache(tmp_path, [(start, 16000 + start)], limit=limit)
        assert (tmp_path / name).read_bytes() == bytes(400_000)
        assert len(list(tmp_path.iterdir())) == 2

    def test_a_link_of_the_user_to_a_file_of_the_cache_stays(self, cache, tmp_path):
        folder, elsewhere = tmp_path / "cache", tmp_path / "elsewhere"
        limit = 1.5e-9 * cache(elsewhere, [(0, 16000)]).nbytes
        folder.mkdir()
        file = next(elsewhere.iterdir())
        (folder / file.name).symlink_to(file)
        for start in range(1, 4):
            cache(folder, [(start, 16000 + start)], limit=limit)
        assert (folder / file.name).is_symlink()
        assert file.exists()

    @pytest.mark.parametrize(
        "damage", ["zeros", "zeros within", "flipped", "cut", "empty", "longer"]
    )
    def test_a_damaged_file_is_made_again(self, cache, tmp_path, damage):
        true = cache(None)
        cache(tmp_path)
        path = next(tmp_path.iterdir())
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes({
            "zeros": bytes(len(content)),
            "zeros within": content[:middle] + bytes(500) + content[middle + 500 :],
            "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "cut": content[:-9],
            "empty": b"",
            "longer": content + b"\0",
        }[damage])  # fmt: skip
        np.testing.assert_array_equal(cache(tmp_path), true)
        assert path.read_bytes() == content


class TestUntrained:
    @pytest.mark.parametrize("name", ["config.json", "model-00001-of-00009.safetensors", "notes"])
    def test_an_untrained_backbone_does_not_take_the_place_of_others(self, tmp_path, name):
        brain_tuning = pytest.importorskip("encodekit_brain_tuning")
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / name).write_bytes(b"months")
        with pytest.raises(FileExistsError, match=f"with '{name}', and is no saved untrained"):
            brain_tuning.untrained_backbone("tiny", tmp_path / "mine")
        assert (tmp_path / "mine" / name).read_bytes() == b"months"


class TestExports:
    def test_a_sound_of_the_user_is_not_replaced(self, study, tmp_path):
        neuralset = pytest.importorskip("encodekit_adapters.neuralset")
        (tmp_path / "s0.wav").write_bytes(b"mine")
        with pytest.raises(FileExistsError, match="holds another sound"):
            neuralset._sound_file(study.stimuli[0], tmp_path)
        assert (tmp_path / "s0.wav").read_bytes() == b"mine"
        first = neuralset._sound_file(study.stimuli[1], tmp_path)
        assert neuralset._sound_file(study.stimuli[1], tmp_path) == first

    def test_notes_beside_a_model_are_not_uploaded(self, tmp_path):
        hub = pytest.importorskip("encodekit_adapters.hub")
        folder = ek.save(ek.Delayer(seconds=[2]), tmp_path / "model")
        (folder / "notes.md").write_text("mine")
        asked = {}

        class Api:
            def create_repo(self, *args, **given):
                pass

            def upload_folder(self, **given):
                asked.update(given)
                return "there"

        hub.push(folder, "lab/model", api=Api())
        assert sorted(asked["allow_patterns"]) == [
            "README.md", "manifest.json", "model.json", "model.safetensors",
        ]  # fmt: skip
        assert "delete_patterns" not in asked
