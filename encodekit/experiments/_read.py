"""Read an experiment file, or refuse it with every mistake, its line and what was meant."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from encodekit.core import unknown_name
from encodekit.experiments._made import refused
from encodekit.experiments._schema import Score, experiment_model
from encodekit.experiments._yaml import MAX_BYTES, Located, Path, YamlMistake, parse_value
from encodekit.plugins import known_names, registry
from encodekit.saving._load_study import study_kind

_NEEDED = ("fit", "test")
_SHOWN = 100  # mistakes; each of them is looked up among all names
_WORDS = {
    "int_type": "a whole number", "float_type": "a number", "string_type": "a text",
    "bool_type": "true or false", "list_type": "a list", "dict_type": "a mapping",
    "model_type": "a mapping", "none_required": "null", "model_attributes_type": "a mapping",
}  # fmt: skip


class ExperimentError(ValueError):
    """An experiment file is not what it should be; the message has every mistake."""


@dataclass(frozen=True)
class Experiment:
    """A checked experiment: the file's content with every default filled in.

    Attributes
    ----------
    path : Path
        The file.
    content : dict
        As JSON would hold it.
    lines : Located
        Where each value stands, for messages about what only a study can tell.
    """

    path: FilePath
    content: dict[str, Any]
    lines: Located

    def refuse(self, mistakes: Sequence[tuple[Path, str]]) -> None:
        """Raise ExperimentError if there are mistakes."""
        _refuse(self.path, self.lines, mistakes)


def read_experiment(path: str | FilePath, changes: Iterable[str] = ()) -> Experiment:
    """Return the experiment in a file.

    Parameters
    ----------
    path : path
        A YAML file.
    changes : iterable of str
        ``"key=value"`` each, such as ``"models.mel.features.n_mels=64"``.

    Raises
    ------
    ExperimentError
        With every mistake: its line, what was found, and what may have been meant.
    """
    file = FilePath(path)
    with file.open("rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    try:
        located = Located(data)
    except YamlMistake as error:
        raise ExperimentError(_listed(file, [(error.line or 0, str(error))])) from error
    if not isinstance(located.content, dict):
        raise ExperimentError(f"{file} holds no mapping: it begins with study:, split:, models:")
    mistakes = list(located.mistakes)
    for change in changes:
        mistakes += _change(located, change)
    mistakes += _named_study(file, located.content)
    names, unknown = _names(located.content)
    mistakes += unknown
    content = _validated(located, names, mistakes)
    mistakes += [
        ((*where, *within), f"{'.'.join(map(str, (*where, *within)))}: {told}")
        for kind, where, part in _components(content)
        if isinstance(part, dict) and "name" in part
        for within, told in refused(kind, part)
    ]
    mistakes += _references(located.content)
    _refuse(file, located, mistakes)
    return Experiment(file, content, located)


def _named_study(file: FilePath, content: dict[str, Any]) -> list[tuple[Path, str]]:
    """Write ``study: x`` out: a registered study of that name, or the folder of one."""
    given = content.get("study")
    if not isinstance(given, str):
        return []
    place = file.parent / given
    is_known = given in known_names("studies")
    is_path = not is_known and ("/" in given or place.exists())
    content["study"] = {"path" if is_path else "name": given}
    if is_known and study_kind(place):
        told = f"{given!r} is a registered study and a folder here that holds one: write"
        return [(("study",), f"study: {told} {{name: {given}}} or {{path: {given}}}")]
    return []


def _change(located: Located, change: str) -> list[tuple[Path, str]]:
    key, equals, value = change.partition("=")
    path = tuple(key.strip().split("."))
    if not equals or not all(path):
        return [((), f"--set {change:.80}: expected key=value, such as regressor.cv=5")]
    try:
        located.set(path, parse_value(value))
    except (LookupError, TypeError):
        place = ".".join(path[:-1])
        return [((), f"--set {change:.80}: the file has no {place!r:.80} to set it in")]
    except YamlMistake as error:
        return [((), f"--set {change:.80}: {error}")]
    return []


def _components(content: dict[str, Any]) -> Iterator[tuple[str, Path, Any]]:
    """Yield (kind, path, mapping) of everything in the file that is registered by a name."""
    yield "studies", ("study",), content.get("study")
    yield "regressors", ("regressor",), content.get("regressor")
    for key, kind, within in (("models", "features", "features"), ("regions", "regions", None)):
        section = content.get(key)
        for name, part in section.items() if isinstance(section, dict) else ():
            if within is None:
                yield kind, (key, name), part
            elif isinstance(part, dict):
                yield kind, (key, name, within), part.get(within)


def _names(content: dict[str, Any]) -> tuple[dict[str, list[str]], list[tuple[Path, str]]]:
    """Return the names in use by kind, in their registered spelling, and those unknown."""
    names: dict[str, list[str]] = {}
    mistakes: list[tuple[Path, str]] = []
    for kind, path, part in _components(content):
        if not isinstance(part, dict) or (kind == "studies" and "path" in part):
            continue
        if len(mistakes) >= _SHOWN:
            break
        if "name" not in part:
            where = ".".join(map(str, path))
            mistakes.append((path, f"{where} lacks 'name': one of the registered {kind}"))
            continue
        try:
            part["name"] = registry().find(kind, str(part["name"])).spec.name
            names.setdefault(kind, []).append(part["name"])
        except ValueError as error:
            mistakes.append(((*path, "name"), str(error)))
    metric = (content.get("score") or {}) if isinstance(content.get("score"), dict) else {}
    if "metric" in metric and metric["metric"] not in known_names("metrics"):
        told = unknown_name("metric", metric["metric"], known_names("metrics"))
        mistakes.append((("score", "metric"), told))
    return {kind: list(dict.fromkeys(found)) for kind, found in names.items()}, mistakes


def _validated(
    located: Located, names: dict[str, list[str]], mistakes: list[tuple[Path, str]]
) -> dict[str, Any]:
    model = experiment_model(names)
    known = {path[:-1] if path[-1:] == ("name",) else path for path, _ in mistakes}
    try:
        checked = model.model_validate(located.content)
    except ValidationError as error:
        by_path: dict[Path, list[Any]] = {}
        for one in error.errors():
            by_path.setdefault(_path(located.content, one["loc"]), []).append(one)
        for path, several in islice(by_path.items(), _SHOWN):
            if not any(path[: place + 1] in known for place in range(len(path))):
                mistakes.append((path, _message(located.content, path, several)))
        return {}
    # Of what is registered only what the file says: its defaults are its own, and may be objects.
    content: dict[str, Any] = checked.model_dump(mode="json", exclude_unset=True)
    defaults = {name: field.default for name, field in model.model_fields.items()}
    score = {**Score().model_dump(), **content.get("score", {})}
    return {**defaults, **content, "score": score}


def _path(content: Any, loc: Sequence[str | int]) -> Path:
    """Return the part of pydantic's location that is in the file: no tags, no types."""
    path: list[str | int] = []
    for place, key in enumerate(loc):
        last = place == len(loc) - 1
        inside = (isinstance(content, dict) and key in content) or (
            isinstance(content, list) and isinstance(key, int) and key < len(content)
        )
        if inside:
            content = content[key]
            path.append(key)
        elif last and isinstance(content, dict) and isinstance(key, str) and "[" not in key:
            path.append(key)
    return tuple(path)


def _message(content: Any, path: Path, errors: Sequence[Any]) -> str:
    first = errors[0]
    where = ".".join(map(str, path[:-1])) or "the file"
    if first["type"] == "extra_forbidden":
        return unknown_name(f"option in {where}:", path[-1], _known(path, content))
    if first["type"] == "missing":
        return f"{where} lacks {path[-1]!r}"
    value = content
    for key in path:
        there = isinstance(value, list) or (isinstance(value, dict) and key in value)
        value = value[key] if there else None
    choices = [item.strip("'") for one in errors if one["type"] == "literal_error"
               for item in one["ctx"]["expected"].replace(" or ", ", ").split(", ")]  # fmt: skip
    name = ".".join(map(str, path))
    if choices and isinstance(value, str):
        return unknown_name(f"{name}:", value, choices)
    wanted = dict.fromkeys(_WORDS.get(one["type"]) or one["msg"] for one in errors)
    return f"{name} is {value!r:.60}, expected {' or '.join(wanted)}"


def _known(path: Path, content: Any) -> list[str]:
    """Return the options that there are where an unknown one stands."""
    part = content
    for key in path[:-1]:
        part = part[key]
    kinds = {p: kind for kind, p, _ in _components(content)}
    kind = kinds.get(path[:-1])
    if kind and isinstance(part, dict) and "name" in part:
        from encodekit.experiments._parameters import options_of

        return list(options_of(kind, registry().find(kind, part["name"])).model_fields)
    owner = kinds.get(path[:-2])
    if owner and isinstance(part, dict):
        known = _settings_at(owner, path, content, part)
        if known:
            return known
    return _fields_at(path[:-1])


def _settings_at(kind: str, path: Path, content: Any, part: dict[str, Any]) -> list[str]:
    """Return the parameters of the settings within which an unknown one stands."""
    from inspect import signature

    from encodekit.experiments._parameters import settings_options

    for key in path[:-2]:
        content = content[key]
    made = registry().load(kind, content["name"])
    parameter = signature(made).parameters.get(str(path[-2]))
    return [] if parameter is None else settings_options(made, parameter, part)


def _fields_at(path: Path) -> list[str]:
    from encodekit.experiments import _schema

    if not path:
        return list(experiment_model({}).model_fields)
    return {
        "score": list(_schema.Score.model_fields),
        "study": list(_schema.SavedStudy.model_fields),
        "tune": list(_schema.Tune.model_fields),
    }.get(str(path[-1]), ["features", "tune"])


def _references(content: dict[str, Any]) -> list[tuple[Path, str]]:
    """Return what one part of the file says of another that is not so."""
    split, models = content.get("split"), content.get("models")
    if not isinstance(split, dict):
        return []
    mistakes: list[tuple[Path, str]] = [
        (("split",), f"split lacks the part {part!r}, which is needed")
        for part in _NEEDED
        if part not in split
    ]
    for name, model in models.items() if isinstance(models, dict) else ():
        tune = model.get("tune") if isinstance(model, dict) else None
        for key in ("on", "validation"):
            part = tune.get(key) if isinstance(tune, dict) else None
            if isinstance(part, str) and part not in split:
                path = ("models", name, "tune", key)
                mistakes.append((path, unknown_name("part of the split", part, split)))
    return mistakes


def _refuse(file: FilePath, located: Located, mistakes: Sequence[tuple[Path, str]]) -> None:
    if not mistakes:
        return
    raise ExperimentError(
        _listed(file, [(located.line(path) or 0, text) for path, text in mistakes])
    )


def _listed(file: FilePath, mistakes: Sequence[tuple[int, str]]) -> str:
    lines = [
        f"  line {line}: {text:.600}" if line else f"  {text:.600}"
        for line, text in sorted(mistakes)
    ]
    count = f"{len(lines)} mistake{'s' if len(lines) > 1 else ''}"
    more = [f"  ... and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    told = f"{file} has {count}:\n" + "\n".join([*lines[:_SHOWN], *more])
    # a command line in another encoding holds what no terminal can be told
    return told.encode("utf-8", "backslashreplace").decode()
