"""Checkpoints of a tuning: whole or not there, and resumed only where the result is the same.

A checkpoint is a sealed folder ``step-00000012``: it is written beside its name, synced, given a
manifest of sha256 and renamed, and only then are older ones removed, by what their manifests list.
What else lies in the folder is not touched. Weights are safetensors; what
transformers' Trainer writes of the optimizer, the schedule and the random numbers is read by torch
with ``weights_only=True``. Nothing else is a pickle.
"""

import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain, count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback

from encodekit.core import SealedFolder, read_sealed, remove_sealed, whole_folder
from encodekit_brain_tuning.backbones import hash_tensors, machine_of
from encodekit_brain_tuning.training._model import learnt

KIND = "tuning checkpoint"
_NAME = re.compile(r"step-\d{8}(-\d+)?")
_PACKAGES = ("encodekit", "encodekit-brain-tuning", "torch", "transformers", "accelerate", "peft")
_FILES = {"model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json", "tuning.json"}


@dataclass(frozen=True)
class Running:
    """What a checkpoint takes from a tuning that runs, and gives back to it.

    Attributes
    ----------
    module : torch.nn.Module
        What is trained.
    n_steps : int
        Optimizer steps in an epoch.
    n_processes : int
    is_first : bool
        Whether this is the process that writes.
    write : callable (folder)
        Writes the optimizer, the schedule and the trainer's state.
    write_random : callable (folder as str)
        Writes the random numbers of this process, and waits for the others.
    share : callable (str) -> str
        Tells the other processes what the first one says.
    best : callable -> dict of Tensor or None
        The best weights so far.
    state : callable -> dict
        What validation knows, as JSON.
    restore : callable (state, folder)
        Takes both back.
    """

    module: torch.nn.Module
    n_steps: int
    n_processes: int
    is_first: bool
    write: Callable[[Path], None]
    write_random: Callable[[str], None]
    share: Callable[[str], str]
    best: Callable[[], Mapping[str, Tensor] | None]
    state: Callable[[], dict[str, Any]]
    restore: Callable[[Mapping[str, Any], Path], None]


class Checkpoints(TrainerCallback):
    """Saves a tuning every few steps and at the end of every epoch, and resumes it.

    Parameters
    ----------
    folder : Path
        Holds the newest checkpoint of one tuning.
    every : int or None
        Optimizer steps between checkpoints within an epoch.
    running : Running
    identity : dict of str to str
        All that decides the result, see `identify`.
    """

    def __init__(
        self, folder: Path, every: int | None, running: Running, identity: Mapping[str, str]
    ) -> None:
        self.folder, self.every = folder, every
        self.running, self.identity = running, identity

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Save within an epoch; its end saves after the validation."""
        due = self.every is not None and state.global_step % self.every == 0
        ends = state.global_step % self.running.n_steps == 0 or control.should_training_stop
        control.should_save = due and not ends

    def on_epoch_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Save at the end of an epoch."""
        control.should_save = True

    def save(self, step: int) -> None:
        """Write the tuning as it is after ``step`` steps.

        Raises
        ------
        OSError
            If a write fails, such as on a full disk; the last checkpoint stays whole.
        """
        target = self._path_of(step)
        try:
            self._save(target)
        except (OSError, RuntimeError) as error:  # torch raises the latter
            raise OSError(
                f"checkpoint {str(target)!r} could not be written ({error}): make room on the "
                "disk; fit again goes on from the one before"
            ) from error

    def _save(self, target: Path) -> None:
        running = self.running
        with ExitStack() as stack:
            place = ""
            if running.is_first:
                part = stack.enter_context(whole_folder(target, KIND))
                self._write(part)
                place = str(part)
            running.write_random(running.share(place))
        if running.is_first:
            self._remove_all_but(target)

    def _write(self, part: Path) -> None:
        from safetensors.torch import save as to_bytes

        running, best = self.running, self.running.best()
        (part / "model.safetensors").write_bytes(to_bytes(learnt(running.module)))
        if best is not None:
            (part / "best.safetensors").write_bytes(to_bytes(dict(best)))
        running.write(part)
        content = {"identity": dict(self.identity), "validation": running.state()}
        (part / "tuning.json").write_text(json.dumps(content, indent=1))

    def _path_of(self, step: int) -> Path:
        """Return the folder for a step: another than what somebody else called like it."""
        name = f"step-{step:08d}"
        others = (f"{name}-{n}" for n in count(1))
        free = (self.folder / one for one in chain([name], others))
        return next(path for path in free if not os.path.lexists(path) or _is_checkpoint(path))

    def _remove_all_but(self, kept: Path) -> None:
        for old in self._numbered():
            if old != kept:
                remove_sealed(old, KIND)

    def _numbered(self) -> list[Path]:
        """Return the folders with names of checkpoints, the newest first."""
        there = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted((item for item in there if _NAME.fullmatch(item.name)), reverse=True)

    def resume(self) -> Path | None:
        """Bring validation to where the newest sealed checkpoint was, and return its folder.

        Raises
        ------
        ValueError
            If it is of another tuning, saying what differs, or lacks something.
        """
        found = self._newest()
        if found is None:
            return None
        content = found.read_json("tuning.json")
        differs = list(_differences(content["identity"], self.identity))
        if differs:
            more = f"; and {len(differs) - 6} more" if len(differs) > 6 else ""
            raise ValueError(
                f"checkpoint {str(found.root)!r} cannot be resumed to the same result: "
                f"{'; '.join(differs[:6])}{more}: go on as it was begun, or pass another "
                "checkpoint folder"
            )
        self.running.restore(content["validation"], found.root)
        return found.root

    def _newest(self) -> SealedFolder | None:
        """Return the newest whole checkpoint; what is none, or damaged, is left with a warning."""
        for folder in self._numbered():
            try:
                sealed = read_sealed(folder, KIND, _verified)
            except (OSError, ValueError) as error:
                warnings.warn(f"no whole checkpoint, and left as it is: {error}", stacklevel=6)
                continue
            self._check_complete(sealed)
            return sealed
        return None

    def _check_complete(self, sealed: SealedFolder) -> None:
        """Raise ValueError where a checkpoint of as many processes lacks a file."""
        world = self.running.n_processes
        ranks = ["rng_state.pth"] if world == 1 else [
            f"rng_state_{rank}.pth" for rank in range(world)
        ]  # fmt: skip
        lacking = sorted((_FILES | set(ranks)) - set(sealed.files))
        if lacking and self._same_world(sealed):
            raise ValueError(
                f"checkpoint {str(sealed.root)!r} lacks {', '.join(lacking)}: remove the folder to "
                "begin anew"
            )

    def _same_world(self, sealed: SealedFolder) -> bool:
        """Whether as many processes wrote it; if not, the identity says so."""
        if "tuning.json" not in sealed.files:
            return True
        written = sealed.read_json("tuning.json")["identity"]
        return bool(written.get("processes") == self.identity["processes"])


def _verified(folder: SealedFolder) -> SealedFolder:
    """Return a folder that is whole where torch, which reads by paths, looks for it."""
    folder.verify_in_place()
    return folder


def _is_checkpoint(path: Path) -> bool:
    try:
        SealedFolder.open(path, KIND)
    except (OSError, ValueError):
        return False
    return True


def load_learnt(model: torch.nn.Module, folder: Path) -> None:
    """Put the weights of a checkpoint into a model."""
    from safetensors.torch import load_file

    tensors = load_file(folder / "model.safetensors")
    if tensors.keys() != learnt(model).keys():
        raise ValueError(
            f"checkpoint {str(folder)!r} has other weights than the model: "
            f"{sorted(tensors.keys() ^ learnt(model).keys())[:4]}"
        )
    model.load_state_dict(tensors, strict=False)


def identify(
    about: Mapping[str, Any], module: torch.nn.Module, data: Mapping[str, str], n_processes: int
) -> dict[str, str]:
    """Return all that decides a tuning's result, as strings under dotted names.

    Parameters
    ----------
    about : dict
        What the caller knows: settings, and hashes of the audio.
    module : torch.nn.Module
        As tuning begins.
    data : dict of str to str
        Hashes, see `Objective.digests`.
    n_processes : int
    """
    facts = {
        **about,
        **data,
        "weights at the start": hash_tensors(learnt(module)),
        "processes": n_processes,
        **machine_of(next(module.parameters()).device),
        "version.python": ".".join(map(str, sys.version_info[:3])),
        **{f"version.{name}": version(name) for name in _PACKAGES},
    }
    return {name: str(value) for name, value in facts.items()}


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield f"{name} was {_short(old.get(name))} and is {_short(new.get(name))}"


def _short(value: str | None) -> str:
    if value is None:
        return "not there"
    return value if len(value) <= 40 else f"{value[:12]}..."
