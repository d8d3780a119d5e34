"""The steps of an experiment, each with a key made of everything that decides its result."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from encodekit.core import Settings, __version__, unknown_name
from encodekit.experiments._read import Experiment
from encodekit.plugins import (
    as_settings,
    load_spec,
    registry,
    settings_class,
    settings_names,
    settings_of,
)

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

        given = self.content["study"]
        if "path" in given:
            return load_study(self.experiment.path.parent / given["path"])
        return made("studies", given)

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
            upstream = self._key("features", given["features"], given.get("tune"))
            if given.get("tune") is not None:
                part = self.parts[given["tune"].get("on", "tune")]
                rate = f"tune {given['features']['name']}"
                found.append(Step("tune", model, WHOLE, upstream, rate, audio_seconds(part)))
            for area, selector in self.areas.items():
                key = self._key(
                    "score", upstream, selector, self._road(), self.content["score"]["metric"]
                )
                rate = f"score {given['features']['name']} {self.content['regressor']['name']}"
                seconds = audio_seconds(self.parts["fit"]) + audio_seconds(self.parts["test"])
                found.append(Step("score", model, area, key, rate, seconds))
        return found

    def _road(self) -> dict[str, Any]:
        names = ("participants", "delays", "scale", "layers", "regressor", "score")
        return {name: self.content[name] for name in names}

    def _key(self, *parts: Any) -> str:
        split = {part: study.runs for part, study in self.parts.items()}
        whole = [_FORMAT, __version__, self._versions, self.content["study"], self._saved, split,
                 self.content["seed"], *parts]  # fmt: skip
        return sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:24]

    @cached_property
    def _versions(self) -> list[str]:
        return [plugin.title for plugin in registry().plugins if plugin.status == "loaded"]

    @cached_property
    def _saved(self) -> str:
        """Of a saved study, the hash of its manifest, which has that of every file."""
        if "path" not in self.content["study"]:
            return ""
        folder = self.experiment.path.parent / self.content["study"]["path"]
        return sha256((folder / "manifest.json").read_bytes()).hexdigest()


def audio_seconds(study: Any) -> float:
    """Return how long the stimuli of a study last."""
    return 60 * float(study.minutes)


def made(kind: str, given: dict[str, Any], **more: Any) -> Any:
    """Make what the options of a file describe."""
    make = load_spec(kind, given["name"])
    options = {n: item for n, item in given.items() if n not in ("name", "recipe")}
    bases = settings_of(make) if isinstance(make, type) else {}
    if given.get("recipe"):
        # what the file says wins; a mapping without a name changes what the recipe has
        return make.from_recipe(given["recipe"], **more, **dict(_nested(options, bases)))
    whole = {name: _whole(name, item, make, bases) for name, item in options.items()}
    return make(**{**more, **whole})


def _nested(options: dict[str, Any], bases: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, item in options.items():
        if name in bases and isinstance(item, dict) and "name" not in item:
            yield from ((f"{name}__{key}", value_of(part)) for key, part in item.items())
        elif name in bases and isinstance(item, dict):
            yield name, settings_from(bases[name], item, None, name)
        else:
            yield name, value_of(item)


def _whole(name: str, item: Any, make: Any, bases: Mapping[str, Any]) -> Any:
    if name in bases and isinstance(item, dict):
        default = signature(make).parameters[name].default
        return settings_from(bases[name], item, default, name)
    return value_of(item)


def settings_from(base: type[Settings], given: dict[str, Any], default: Any, what: str) -> Any:
    """Return the settings that a mapping of a file stands for.

    Parameters
    ----------
    base : type of Settings
        What the parameter takes.
    given : dict
        Parameters, and the ``name`` of the class; of the default's class without one.
    default : Settings or str
    what : str
        The parameter's name.
    """
    cls = base
    if "name" in given:
        cls = settings_class(base, given["name"], what)
    elif settings_names(base):
        cls = type(as_settings(base, default, what))
    return cls(**{key: value_of(part) for key, part in given.items() if key != "name"})


def value_of(item: Any) -> Any:
    """Return what a value of a file stands for: numbers, or something registered."""
    if isinstance(item, dict) and set(item) == {"logspace"}:
        first, last, count = item["logspace"]
        return tuple(np.logspace(first, last, int(count)).tolist())
    if isinstance(item, dict) and "make" in item:
        return made(item["make"], {name: part for name, part in item.items() if name != "make"})
    if isinstance(item, list):
        return [value_of(part) for part in item]
    return item


def slug(name: str) -> str:
    """Return a name as a file may have it; different names stay different."""
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
    return plain if plain == name else f"{plain}-{sha256(name.encode()).hexdigest()[:6]}"


def results_folder(path: Path, output: Path | None) -> Path:
    """Return where the results of a file are: beside it, unless told otherwise."""
    return output or path.with_name(f"{path.stem}-results")
