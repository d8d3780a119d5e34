import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import TrainerCallback

from encodekit.core import whole_folder, write_manifest
from encodekit.core._files import MARKER, partial_name
from encodekit.data import RunList
from encodekit_brain_tuning import Joint, Lora, Runtime, Streamed, Training, UnseenHead
from encodekit_brain_tuning.backbones import hash_tensors, load_backbone
from encodekit_brain_tuning.losses import correlation
from encodekit_brain_tuning.objectives import FmriObjective
from encodekit_brain_tuning.strategies import TargetMaker
from encodekit_brain_tuning.targets import match_runs
from encodekit_brain_tuning.training import (
    TuningClips,
    TuningModel,
    _checkpoint,
    _trainer,
    learnt,
    private_random,
    start_head,
    tune,
)
from encodekit_brain_tuning.training._checkpoint import KIND
from encodekit_brain_tuning.training._validation import ValidationCallback

FILES = [
    "best.safetensors", "model.safetensors", "optimizer.pt", "rng_state.pth", "scheduler.pt",
    "trainer_state.json", "tuning.json",
]  # fmt: skip


class Killed(Exception):
    pass


class Kill(TrainerCallback):
    """Ends the program before a step; counts the steps."""

    def __init__(self, step=None):
        self.step, self.n_steps = step, 0

    def on_step_begin(self, args, state, control, **rest):
        if state.global_step == self.step:
            raise Killed
        self.n_steps += 1


@pytest.fixture(scope="module")
def make_objective(backbone_folder, stories, responses):
    """fMRI to be predicted with dropout, adapters, and a head that draws."""

    def make(noise=0):
        head = UnseenHead(rank=3)
        maker = TargetMaker(Joint(), correlation, head)
        runs = match_runs(
            stories[:2], RunList(run + noise for run in responses[:2]), None, "tuning"
        )
        targets, found = maker.tuning(runs)
        held = match_runs(stories[3:], responses[3:], None, "validation")
        with private_random(0):
            backbone = load_backbone(backbone_folder, dropout=0.1)
            Lora().prepare(backbone)
            model = TuningModel(backbone, head.build(backbone.n_features, 6, 2))
        cut = Streamed(chunk=12.0)
        clips = TuningClips(runs.stimuli, targets, backbone, cut)
        watched = TuningClips(held.stimuli, maker.placed(held, targets, found), backbone, cut)
        start_head(model, clips, 4)
        return FmriObjective(model, clips, watched, correlation, batch_size=4)

    return make


def settings(folder, **changes):
    given = {"epochs": 2, "learning_rate": 3e-3, "batch_size": 4, "patience": 2}
    runtime = Runtime(device="cpu", checkpoint=folder, checkpoint_every=2)
    return Training(**(given | changes)), runtime


@pytest.fixture(scope="module")
def run(make_objective):
    """Tune: (hash of what was learnt, history)."""

    def start(folder, *callbacks, noise=0, about=None, seed=0, **changes):
        objective = make_objective(noise)
        training, runtime = settings(folder, **changes)
        history = tune(objective, training, runtime, seed, *callbacks, about=about)
        return hash_tensors(learnt(objective.model)), history.drop(columns="seconds")

    return start


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("hidden_act", "relu", 'backbone.hidden_act was "gelu" and is "relu"'),
        ("do_normalize", False, "backbone.do_normalize was true and is false"),
        ("hidden_dropout", 0.4, "backbone.hidden_dropout was 0.1 and is 0.4"),
    ],
)
def test_a_backbone_with_other_settings_does_not_go_on(
    tuned, backbone_folder, stories, responses, tmp_path, name, value, said
):
    other = tmp_path / "other"
    shutil.copytree(backbone_folder, other)
    for path in (other / "config.json", other / "preprocessor_config.json"):
        told = json.loads(path.read_text())
        path.write_text(json.dumps(told | ({name: value} if name in told else {})))
    begun = {
        "runtime__checkpoint": tmp_path / "run",
        "training__epochs": 1,
        "update__dropout": None,
    }
    tuned(**begun).fit(stories[:1], responses[:1])
    with pytest.raises(ValueError, match=f"cannot be resumed to the same result: {said}"):
        tuned(**begun, backbone=str(other)).fit(stories[:1], responses[:1])


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    """The tuning that nothing interrupts, and its last checkpoint."""
    folder = tmp_path_factory.mktemp("whole")
    return (*run(folder), folder)


@pytest.fixture(scope="module")
def ended(run, tmp_path_factory):
    """A tuning that ended within its second epoch."""
    folder = tmp_path_factory.mktemp("ended") / "c"
    with pytest.raises(Killed):
        run(folder, Kill(6))
    return folder


@pytest.fixture
def killed(ended, tmp_path):
    """The folder of a tuning that ended within its second epoch."""
    return Path(shutil.copytree(ended, tmp_path / "c"))


@pytest.fixture(scope="module")
def resume(make_objective, tmp_path_factory):
    """Resume a folder's checkpoint, as far as that can be refused."""
    objective, scratch = make_objective(), str(tmp_path_factory.mktemp("trainer"))

    def start(folder, about=None):
        training, runtime = settings(folder)
        trainer = _trainer.ObjectiveTrainer(objective, training, runtime, 0, scratch)
        watch = ValidationCallback(
            training, "best", trainer.validate, trainer.end_step,
            lambda: learnt(objective.model), lambda _: None,
        )  # fmt: skip
        return _trainer._checkpoints(trainer, watch, about or {})

    return start


def checkpoint_of(folder):
    (found,) = folder.glob("step-*")
    return found


def assert_the_same(result, whole):
    assert result[0] == whole[0]
    assert result[1].equals(whole[1])


@pytest.mark.parametrize(("step", "begins"), [(1, 0), (3, 2), (4, 4)])
def test_a_killed_tuning_ends_with_the_same_bytes(run, whole, tmp_path, step, begins):
    """Before the first checkpoint, within an epoch, and at its end."""
    with pytest.raises(Killed):
        run(tmp_path, Kill(step))
    again = Kill()
    assert_the_same(run(tmp_path, again), whole)
    assert whole[1]["step"].tolist() == [0, 4, 8]
    assert again.n_steps == 8 - begins


def test_another_seed_ends_with_other_bytes(run, whole, tmp_path):
    assert run(tmp_path, seed=1)[0] != whole[0]


def test_a_finished_tuning_is_not_repeated(run, whole):
    counter = Kill()
    assert_the_same(run(whole[2], counter), whole)
    assert counter.n_steps == 0


def test_a_checkpoint_holds_no_pickle_but_what_torch_reads_as_weights(whole):
    folder = checkpoint_of(whole[2])
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "manifest.json"])
    with torch.serialization.safe_globals(
        [np._core.multiarray._reconstruct, np.ndarray, np.dtype, type(np.dtype(np.uint32))]
    ):
        for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
            torch.load(folder / name, weights_only=True)


@pytest.mark.parametrize("name", FILES)
def test_a_checkpoint_that_lacks_a_file_is_refused(resume, killed, name):
    folder = checkpoint_of(killed)
    (folder / name).unlink()
    write_manifest(folder, KIND)
    with pytest.raises(ValueError, match=f"lacks {name}"):
        resume(killed)


WATCHED = ["rows", "best", "kept", "start", "best_r", "waited", "stopped", "seconds", "losses"]


@pytest.mark.parametrize("name", WATCHED)
def test_a_checkpoint_that_lacks_what_validation_knows_is_refused(resume, killed, name):
    folder = checkpoint_of(killed)
    content = json.loads((folder / "tuning.json").read_text())
    assert list(content["validation"]) == WATCHED
    del content["validation"][name]
    (folder / "tuning.json").write_text(json.dumps(content))
    write_manifest(folder, KIND)
    with pytest.raises(ValueError, match=f"lacks {name}"):
        resume(killed)


def test_a_checkpoint_of_other_data_is_refused(run, killed):
    with pytest.raises(ValueError, match="data.tuning was .* and is"):
        run(killed, noise=1e-3)


def test_a_checkpoint_of_other_settings_is_refused(resume, killed):
    assert resume(killed) == str(checkpoint_of(killed))
    with pytest.raises(ValueError, match="settings.epochs was not there and is 3"):
        resume(killed, about={"settings.epochs": 3})


@pytest.mark.parametrize(
    ("fact", "message"),
    [("version.torch", "version.torch was 2.0 and is 2"), ("processes", "processes was 2.0"),
     ("threads", "threads was 2.0")],
)  # fmt: skip
def test_another_version_or_machine_is_refused(resume, killed, fact, message):
    folder = checkpoint_of(killed)
    content = json.loads((folder / "tuning.json").read_text())
    content["identity"][fact] = "2.0"
    (folder / "tuning.json").write_text(json.dumps(content))
    write_manifest(folder, KIND)
    with pytest.raises(ValueError, match=message):
        resume(killed)


def test_what_was_half_written_is_never_loaded(run, whole, killed):
    folder = checkpoint_of(killed)
    later = partial_name(killed / "step-00000009")
    later.mkdir()
    (later / MARKER).write_text("")
    (later / "tuning.json").write_text("{}")
    assert_the_same(run(killed), whole)
    assert not later.exists()
    assert checkpoint_of(killed) != folder


def test_what_others_called_like_checkpoints_stays(run, whole, killed):
    last = int(whole[1]["step"].iloc[-1])
    theirs = [killed / f"step-{last:08d}", killed / "step-1-preprocessing", killed / ".step-2"]
    for folder in theirs:
        folder.mkdir()
        (folder / "bold.nii").write_text("months of work")
    with pytest.warns(UserWarning, match=f"no whole checkpoint.*step-{last:08d}.*no manifest.json"):
        assert_the_same(run(killed), whole)
    assert all((folder / "bold.nii").read_text() == "months of work" for folder in theirs)
    assert (killed / f"step-{last:08d}-1" / "manifest.json").exists()


def test_a_damaged_checkpoint_is_never_loaded(run, whole, killed):
    path = checkpoint_of(killed) / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    again = Kill()
    with pytest.warns(UserWarning, match="model.safetensors has sha256"):
        assert_the_same(run(killed, again), whole)
    assert again.n_steps == whole[1]["step"].iloc[-1]


def test_a_full_disk_raises_and_leaves_the_last_checkpoint(run, whole, killed, monkeypatch):
    """In the middle of every file once."""
    before = checkpoint_of(killed)
    for name in [*FILES, "manifest.json"]:

        @contextmanager
        def full(path, kind, name=name):
            with whole_folder(path, kind) as part:
                if name == "manifest.json":
                    patch.setattr(os, "fsync", no_space)
                else:
                    (part / name).symlink_to("/dev/full")
                yield part

        def no_space(descriptor):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(_checkpoint, "whole_folder", full)
            with pytest.raises(OSError, match="could not be written .* make room on the disk"):
                run(killed)
        assert checkpoint_of(killed) == before
        assert not list(killed.glob(".step-*"))
    assert_the_same(run(killed), whole)


def test_an_early_stop_is_not_undone_by_resuming(run, tmp_path):
    stopped = run(tmp_path, patience=1, learning_rate=1.0, epochs=6)
    again = Kill()
    assert_the_same(run(tmp_path, again, patience=1, learning_rate=1.0, epochs=6), stopped)
    assert again.n_steps == 0
    assert stopped[1]["epoch"].iloc[-1] < 6


KILLED = Path(__file__).with_name("killed_run.py")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kill_9_at_20_random_moments_ends_with_the_same_bytes(backbone_folder, tmp_path, capsys):
    found = subprocess.run(
        [sys.executable, KILLED, backbone_folder, str(tmp_path), "20"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    kills = [json.loads(line) for line in found.stdout.splitlines()]
    with capsys.disabled():
        for kill in kills:
            print(kill)
    assert len(kills) == 20
    assert all(kill["same"] for kill in kills)
    assert sum(kill["checkpoint"] is not None for kill in kills) >= 10


@pytest.mark.parametrize("kind", ["a model", "an app", "nothing readable"])
def test_folders_of_others_with_such_a_name_are_neither_renamed_nor_removed(
    run, whole, killed, kind
):
    theirs = killed / "step-00000099"
    if kind == "a model":
        with whole_folder(theirs, "model") as part:
            (part / "model.json").write_text("{}")
    else:
        theirs.mkdir()
        (theirs / "manifest.json").write_text('{"app": "mine"}' if kind == "an app" else "")
    before = sorted(path.read_bytes() for path in theirs.iterdir())
    with pytest.warns(UserWarning, match="no whole checkpoint, and left as it is.*step-00000099"):
        assert_the_same(run(killed), whole)
    assert sorted(path.read_bytes() for path in theirs.iterdir()) == before
