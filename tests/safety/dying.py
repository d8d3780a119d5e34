"""Programs that die while they save, and what they save."""

import os
import signal
import traceback
from pathlib import Path

import numpy as np
import xarray as xr

import encodekit as ek
from encodekit import Stimulus, Study
from encodekit.data import make_response

RATE = 2000
_CALLS = ("mkdir", "open", "rename", "replace", "rmdir", "unlink", "fsync")


def outcome(work):
    """Do ``work`` in a child of this process; return how it ended: 0, or the signal negated."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 (whatever it is, a child does not go on as a test)
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def dies_before_call(number, work):
    """Do ``work`` in a child that is killed before its n-th change of a file; tell if it was."""

    def counted():
        made = 0
        for name in _CALLS:
            before = getattr(os, name)

            def call(*args, _before=before, **kwargs):
                nonlocal made
                made += 1
                if made == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return _before(*args, **kwargs)

            setattr(os, name, call)
        work()

    ended = outcome(counted)
    assert ended in (0, -signal.SIGKILL), "the work itself failed"
    return ended != 0


def small_study(
    n_stories=2, participants=("P1", "P2"), *, seed=0, n_targets=4, secs=12, whole=False
):
    """Return a study of noise; ``whole`` samples are whole numbers of 16 bits, kept as FLAC."""
    rng = np.random.default_rng(seed)
    stimuli, responses = [], {person: [] for person in participants}
    for number in range(n_stories):
        audio = rng.standard_normal(secs * RATE).astype("f4") * 0.1
        if whole:
            audio = np.rint(audio * 2**15).astype("f4") / 2**15
        stimulus = Stimulus(f"s{number}", audio, RATE, t_r=2.0)
        stimuli.append(stimulus)
        for person in participants:
            values = rng.standard_normal((stimulus.n_trs, n_targets)).astype("f4")
            response = make_response(
                values, run=stimulus.run_name, participant=person, tr_times=stimulus.grid, t_r=2.0,
                hemisphere=["left"] * n_targets, vertex=list(range(n_targets)), space="fsaverage5",
                region=["early", "late"] * (n_targets // 2),
            )  # fmt: skip
            responses[person].append(response)
    return Study("small", stimuli, responses)


def model(number):
    made = ek.RidgeCV(alphas=[float(number)])
    made.blob_ = np.full(1000 + number, number)
    return made


def result(number):
    names = [f"t{n}" for n in range(20)]
    values = np.full((1, 20), number / 100)
    coords = {"model": ["m"], "target": names, "participant": ("target", ["P1"] * 20)}
    return ek.Result("r", xr.DataArray(values, dims=("model", "target"), coords=coords))


class Models:
    name = "model"

    def save(self, path, number):
        ek.save(model(number), path)

    def load(self, path):
        loaded = ek.load(path)
        assert (loaded.blob_ == loaded.alphas[0]).all()
        return int(loaded.alphas[0])


class Studies:
    name = "study"

    def save(self, path, number):
        small_study(number, ["P1"], secs=6).save(path)

    def load(self, path):
        """Read what was opened; who comes too late is told, and opens it anew."""
        while True:
            study = ek.load_study(path, verify=True)
            try:
                assert all(np.isfinite(run.values).all() for run in study.responses())
            except OSError as error:
                if "saved over since it was opened" not in str(error):
                    raise
                continue
            return len(study.runs)


class Results:
    name = "result.nc"

    def save(self, path, number):
        result(number).save(path)

    def load(self, path):
        return round(float(ek.Result.load(path).scores[0, 0]) * 100)


class ResultFolders(Results):
    name = "result.zarr"


class Caches:
    """Of features; what is under a name is always what was asked for, found or made."""

    name = "cache"

    def save(self, path, number):
        self.rows(path, number)

    def load(self, path):
        np.testing.assert_array_equal(self.rows(path, 1), self.rows(None, 1))
        np.testing.assert_array_equal(self.rows(path, 2), self.rows(None, 2))
        return 2

    def rows(self, path, number):
        stimuli = small_study(number, ["P1"], secs=6).stimuli
        return ek.MelSpectrogram(n_mels=4, cache=path).transform(stimuli).values


class Checkpoints:
    """Of a tuning: the newest one is gone on from."""

    name = "checkpoints"

    def save(self, path, number):
        steps = [int(folder.name[5:13]) for folder in path.glob("step-*")]
        self.of(path, number).save(max(steps, default=0) + 1)

    def load(self, path):
        found = []
        self.of(path, 0, found.append).resume()
        return found[0]["step"] if found else None

    def of(self, path, number, restored=None):
        import torch

        from encodekit_brain_tuning.training._checkpoint import Checkpoints as OfTuning
        from encodekit_brain_tuning.training._checkpoint import Running

        module = torch.nn.Linear(2, 2)
        running = Running(
            module=module, n_steps=9, n_processes=1, is_first=True, write=self.write,
            write_random=lambda folder: (Path(folder) / "rng_state.pth").write_bytes(b"x"),
            share=lambda place: place, best=module.state_dict, state=lambda: {"step": number},
            restore=lambda state, folder: restored(state),
        )  # fmt: skip
        return OfTuning(path, None, running, {"processes": "1"})

    def write(self, folder):
        for name in ("optimizer.pt", "scheduler.pt", "trainer_state.json"):
            (folder / name).write_bytes(b"x")


KINDS = {
    kind.name: kind
    for kind in (Models(), Studies(), Results(), ResultFolders(), Caches(), Checkpoints())
}
