"""The steps of an experiment, each with a key made of everything that decides its result."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from encodekit.core import MANIFEST, __version__, unknown_name
from encodekit.experiments._made import decisive, made
from encodekit.experiments._read import Experiment
from encodekit.plugins import registry
from encodekit.saving._load_study import study_kind

WHOLE = "all"  # the name of the area where no regions are given
_FORMAT = 2  # of what a step keeps; a folder of another one is computed again


@dataclass(frozen=True)
class Step:
    """One result: the tuned features of a model, or the scores of a model in an area.

    Attributes
    ----------
    verb : {"tune", "score"}
    model, area : str
    key : str
        Equal keys have equal results.
    rate : str
        What its time is known by: seconds of computing per second of audio.
    seconds : float
        Of audio that is read.
    """

    verb: str
    model: str
    area: str
    key: str
    rate: str
    seconds: float

    @property
    def name(self) -> str:
        """Name the step, for files and for people."""
        return f"{self.verb} {self.model}" + (f" in {self.area}" if self.area != WHOLE else "")


class Work:
    """An experiment with its study at hand: the parts of the split, and the steps to take.

    Parameters
    ----------
    experiment : Experiment

    Raises
    ------
    ExperimentError
        With every story and participant that the study does not have.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.content = experiment.content
        self.study = self._study()
        self._check_names()
        self.parts: dict[str, Any] = dict(
            zip(self.content["split"], self.study.split(**self.content["split"]), strict=True)
        )

    def _study(self) -> Any:
        from encodekit.saving import load_study

        given, trim = self.content["study"], self.content["trim"]
        study = (
            load_study(self.experiment.path.parent / given["path"])
            if "path" in given
            else made("studies", given)
        )
        return study.trim(*trim) if any(trim) else study

    def _check_names(self) -> None:
        """Refuse stories and participants that are not in the study, all at once."""
        stories = list(dict.fromkeys([*(s.name for s in self.study.stimuli), *self.study.runs]))
        people = list(self.study.participants)
        mistakes: list[tuple[tuple[str | int, ...], str]] = [
            (("split", part, place), unknown_name("story", name, stories))
            for part, names in self.content["split"].items()
            for place, name in enumerate(names)
            if name not in stories
        ]
        for path, names in self._people():
            mistakes += [
                ((*path, place), unknown_name("participant", name, people))
                for place, name in enumerate(names)
                if name not in people
            ]
        self.experiment.refuse(mistakes)

    def _people(self) -> Iterator[tuple[tuple[str, ...], list[str]]]:
        yield ("participants",), self.content["participants"] or []
        for name, model in self.content["models"].items():
            tune = model.get("tune") or {}
            yield ("models", name, "tune", "participants"), tune.get("participants") or []

    @property
    def models(self) -> list[str]:
        """Names of the models, in the order of the file."""
        return list(self.content["models"])

    @property
    def has_areas(self) -> bool:
        """Whether the file names areas; otherwise there is one, of all targets."""
        return bool(self.content["regions"])

    @cached_property
    def scored(self) -> dict[str, Any]:
        """The parts ``fit`` and ``test``, of the people who are fitted and scored."""
        people = self.content["participants"]
        return {part: self.parts[part].select(participants=people) for part in ("fit", "test")}

    @cached_property
    def areas(self) -> dict[str, Any]:
        """The options of the region selector of each area; None for all targets."""
        found: dict[str, Any] = self.content["regions"] or {WHOLE: None}
        return found

    def steps(self) -> list[Step]:
        """Return the steps in the order in which they are taken."""
        found = []
        for model, given in self.content["models"].items():
            upstream = self._key("features", decisive(given["features"]), given.get("tune"))
            if given.get("tune") is not None:
                part = self.parts[given["tune"].get("on", "tune")]
                rate = f"tune {given['features']['name']}"
                found.append(Step("tune", model, WHOLE, upstream, rate, audio_seconds(part)))
            for area, selector in self.areas.items():
                key = self._key(
                    "score",
                    upstream,
                    selector,
                    self._pipeline_options(),
                    self.content["score"]["metric"],
                )
                rate = f"score {given['features']['name']} {self.content['regressor']['name']}"
                seconds = audio_seconds(self.parts["fit"]) + audio_seconds(self.parts["test"])
                found.append(Step("score", model, area, key, rate, seconds))
        return found

    def _pipeline_options(self) -> dict[str, Any]:
        names = ("participants", "delays", "scale", "layers", "regressor", "score")
        return {name: self.content[name] for name in names}

    def _key(self, *parts: Any) -> str:
        split = {part: study.runs for part, study in self.parts.items()}
        whole = [_FORMAT, __version__, self._versions, self.content["study"], self._saved,
                 self.content["trim"], split, self.content["seed"], *parts]  # fmt: skip
        return sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:24]

    @cached_property
    def _versions(self) -> list[str]:
        return [plugin.title for plugin in registry().plugins if plugin.status == "loaded"]

    @cached_property
    def _saved(self) -> str:
        """Of a study by its path: the hash of its manifest, which has that of every file.

        A lab's own folder has no manifest: what was heard, and the arrays by the names of their
        tasks, which follow from the files (path, size, time of change).
        """
        if "path" not in self.content["study"]:
            return ""
        folder = self.experiment.path.parent / self.content["study"]["path"]
        if study_kind(folder) == "saved":
            return sha256((folder / MANIFEST).read_bytes()).hexdigest()
        heard = [(s.run_name, s.content_hash, s.grid.tolist()) for s in self.study.stimuli]
        arrays = [getattr(run.data, "name", "") for run in self.study.responses()]
        return sha256(json.dumps([heard, arrays]).encode()).hexdigest()


def audio_seconds(study: Any) -> float:
    """Return how long the stimuli of a study last."""
    return 60 * float(study.minutes)


def slug(name: str) -> str:
    """Return a name as a file may have it; different names stay different."""
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
    return plain if plain == name else f"{plain}-{sha256(name.encode()).hexdigest()[:6]}"


def results_folder(path: Path, output: Path | None) -> Path:
    """Return where the results of a file are: beside it, unless told otherwise."""
    return output or path.with_name(f"{path.stem}-results")
