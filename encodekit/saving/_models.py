"""Save fitted estimators to a folder and load them, without pickle."""

import importlib.metadata
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from inspect import getattr_static, signature
from pathlib import Path
from typing import Any

from encodekit.core import SealedFolder, Settings, read_sealed, warn_caller, whole_folder
from encodekit.data._packing import (
    Json,
    Packer,
    Unpacker,
    packed_names,
    read_arrays,
    read_packed,
    write_packed,
)
from encodekit.plugins import settings_of
from encodekit.saving._classes import allowed_parameters, class_key, find_class
from encodekit.saving._settings import (
    made_settings,
    pack_function,
    pack_settings,
    saved_settings_class,
    unpack_function,
)

_PACKAGES = ("encodekit", "numpy", "scikit-learn", "xarray")


def save(model: Any, path: str | Path, *, classes: Sequence[type] = ()) -> Path:
    """Write a fitted estimator or pipeline to a folder (JSON, safetensors; no pickle).

    Kept are the parameters and the public fitted attributes: numbers, text, arrays, DataArrays
    with their coordinates, tables, and estimators inside them. Attributes that begin with an
    underscore are caches and stay behind. An estimator that needs files of its own writes them
    in ``_save_state(folder) -> dict`` and reads them in ``_load_state(folder, dict)``, where
    ``folder.read(name)`` gives bytes that were checked, and ``folder / name`` a path.

    Parameters
    ----------
    model : estimator
        A Pipeline, a FrozenEstimator, or an estimator of encodekit or of a registered plugin.
    path : path
        The folder appears whole or not at all; a saved model there before is replaced.
    classes : sequence of type, optional
        Classes of your own that no plugin registers; `load` asks for them again.

    Raises
    ------
    TypeError
        Where a part cannot be saved; says which. Nothing is written.
    FileExistsError
        Where ``path`` is something else than a saved model, or holds a file of yours that has the
        name of one that is to be written. Others of yours there stay as they are.

    Examples
    --------
    >>> import tempfile, encodekit as ek
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = ek.save(ek.Delayer(seconds=[2, 4]), f"{folder}/delays")
    ...     ek.load(f"{folder}/delays")
    Delayer(seconds=[2, 4])
    """
    with whole_folder(path, "model", opened_by="ek.load(path) reads it") as folder:
        _Writer(folder, classes).write(model)
    return Path(path)


def load(
    path: str | Path,
    *,
    classes: Sequence[type] = (),
    moved: Mapping[str | Path, str | Path] | None = None,
) -> Any:
    """Return the estimator that `save` wrote; every file is checked, and no code is executed.

    Parameters
    ----------
    path : path
    classes : sequence of type, optional
        Classes of your own that the model holds.
    moved : mapping of str or path to str or path, optional
        What parameters name and is elsewhere here, such as a backbone's folder:
        ``{"/old/wav2vec2": "/new/wav2vec2"}``. Every parameter that is the old text or path
        becomes the new one. A tuned model verifies that its backbone has the same weights.

    Raises
    ------
    FileNotFoundError
        Where there is no saved model, or its writing never ended.
    ValueError
        Where a file is damaged, the schema is newer, a class is unknown here, or no parameter is
        what has moved.
    """
    moves = {str(old): str(new) for old, new in (moved or {}).items()}

    def parse(folder: SealedFolder) -> Any:
        folder.verify(but=packed_names("model"))
        tree, arrays = read_packed(folder, "model")
        _check_moved(moves, tree["model"], folder.root)
        return _Reader(folder, arrays, classes, moves).unpacker.unpack(tree["model"])

    try:
        return read_sealed(path, "model", parse)
    except OSError as error:
        error.add_note(
            "what the model's parameters name may be elsewhere here: load(path, "
            "moved={the saved name: where it is now})"
        )
        raise


def pack_parameters(
    parameters: Mapping[str, Any], folder: Path, *, classes: Sequence[type] = ()
) -> Json:
    """Return parameters as JSON, as `save` writes them; arrays go to ``folder``.

    What is no plain value has a registered name, or is named as the user's own.
    """
    from safetensors.numpy import save as to_bytes

    writer = _Writer(folder, classes)
    packed = {name: writer.pack(value, name) for name, value in parameters.items()}
    if writer.arrays:
        (folder / "parameters.safetensors").write_bytes(to_bytes(writer.arrays))
    return packed


def unpack_parameters(
    cls: type, packed: Json, folder: SealedFolder, *, classes: Sequence[Any] = ()
) -> dict[str, Any]:
    """Return the parameters of ``cls`` that `pack_parameters` wrote; executes nothing.

    Raises
    ------
    ValueError
        If something is the user's own and is not among ``classes``.
    """
    arrays = read_arrays(folder, "parameters.safetensors")
    return _Reader(folder, arrays, classes, {}).parameters(settings_of(cls), packed)


class _Writer:
    def __init__(self, folder: Path, classes: Sequence[type]) -> None:
        self._folder = folder
        self._classes = classes
        self._packer = Packer(self._pack_estimator)
        self._n_parts = 0

    def write(self, model: Any) -> None:
        if isinstance(model, type) or not hasattr(model, "get_params"):
            raise TypeError(f"save got {model!r:.60}, expected an estimator or pipeline")
        packed = self._packer.pack(model, type(model).__name__)
        versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
        made_with = {"python": platform.python_version(), **versions}
        tree = {"model": packed, "made_with": made_with}
        write_packed(self._folder, "model", tree, self._packer.arrays)
        (self._folder / "README.md").write_text(_card(model, made_with), encoding="utf-8")

    def pack(self, value: Any, where: str) -> Json:
        """Return one value as JSON."""
        return self._packer.pack(value, where)

    @property
    def arrays(self) -> dict[str, Any]:
        """The arrays of what was packed."""
        return self._packer.arrays

    def _pack_estimator(self, value: Any, where: str) -> Json | None:
        if isinstance(value, type):
            return None
        function = pack_function(value)
        if function is not None:
            return function
        key = class_key(type(value), self._classes)
        if key is None and isinstance(value, Settings):
            return pack_settings(value, self._packer.pack, where)
        if key is None:
            if not hasattr(value, "get_params"):
                return None
            name = type(value).__name__
            if hasattr(value, "best_estimator_"):
                raise TypeError(f"{where} is a {name}: save what it found, its best_estimator_")
            raise TypeError(
                f"{where} is a {name}, which encodekit does not know: register it by a plugin, "
                f"or pass save(..., classes=[{name}])"
            )
        params = _params(value, key)
        packed = {
            "$": "estimator",
            "class": key,
            "params": self._named(params, where),
            "requests": self._packer.pack(_requests(value), where),
        }
        if hasattr(value, "_save_state"):
            return packed | self._own_state(value, where)
        known = vars(value) if hasattr(value, "get_params") else {}
        fitted = {n: v for n, v in known.items() if _is_fitted_name(type(value), n)}
        return packed | {"fitted": self._named(fitted, where)}

    def _named(self, values: dict[str, Any], where: str) -> Json:
        return {name: self._packer.pack(item, f"{where}.{name}") for name, item in values.items()}

    def _own_state(self, value: Any, where: str) -> Json:
        part = f"part-{self._n_parts:02d}"
        self._n_parts += 1
        (self._folder / part).mkdir()
        state = value._save_state(self._folder / part)
        return {"state": self._packer.pack(state, f"{where}.state"), "folder": part}


class _Reader:
    def __init__(
        self,
        folder: SealedFolder,
        arrays: dict[str, Any],
        classes: Sequence[type],
        moved: Mapping[str, str],
    ) -> None:
        self._folder = folder
        self._classes = classes
        self._moved = moved
        self.unpacker = Unpacker(arrays, self._estimator)

    def _estimator(self, packed: Json) -> Any:
        if packed["$"] in ("registered", "own"):
            return unpack_function(packed, self._classes)
        if packed["$"] == "settings":
            return self._settings("a value", None, packed)
        if packed["$"] != "estimator":
            raise ValueError(f"unknown kind of value {packed['$']!r} in {str(self._folder.root)!r}")
        cls = find_class(packed["class"], self._classes)
        params = _allowed(packed["class"], packed["params"])
        value = _made(cls, self.parameters(settings_of(cls), params))
        for name, item in packed.get("fitted", {}).items():
            if not _is_fitted_name(cls, name):
                raise ValueError(f"a {cls.__name__} has no fitted attribute {name!r}")
            setattr(value, name, self.unpacker.unpack(item))
        if "state" in packed:
            files = self._folder.within(packed["folder"])
            value._load_state(files, self.unpacker.unpack(packed["state"]))
        _request(value, self.unpacker.unpack(packed["requests"]))
        return value

    def parameters(self, bases: Mapping[str, type[Settings]], packed: Json) -> dict[str, Any]:
        """Return parameters; those that are settings, of the base class that each takes."""
        found = {}
        for name, item in packed.items():
            if isinstance(item, dict) and item.get("$") == "settings":
                found[name] = self._settings(name, bases.get(name), item)
            else:
                found[name] = self._moved_to(self.unpacker.unpack(item))
        return found

    def _settings(self, name: str, base: type[Settings] | None, packed: Json) -> Any:
        cls = saved_settings_class(packed, base, self._classes, name)
        return made_settings(cls, self.parameters(settings_of(cls), packed["params"]), name)

    def _moved_to(self, value: Any) -> Any:
        if isinstance(value, str | Path) and str(value) in self._moved:
            return type(value)(self._moved[str(value)])
        return value


def _check_moved(moved: Mapping[str, str], model: Json, folder: Path) -> None:
    texts = set(_texts(model))
    for old in moved:
        if old not in texts:
            raise ValueError(
                f"moved={dict(moved)!r}: no parameter of the model in {str(folder)!r} is {old!r}; "
                f"there are {sorted(t for t in texts if '/' in t) or sorted(texts)}"
            )


def _texts(packed: Any) -> Iterator[str]:
    """Parameters that are text or a path, of all estimators in what was saved."""
    if isinstance(packed, dict):
        if packed.get("$") in ("estimator", "settings"):
            for value in packed["params"].values():
                is_path = isinstance(value, dict) and value.get("$") == "path"
                text = value["value"] if is_path else value
                yield from [text] if isinstance(text, str) else []
        packed = list(packed.values())
    if isinstance(packed, list):
        for part in packed:
            yield from _texts(part)


def _params(value: Any, key: str) -> dict[str, Any]:
    """Return what the class is called with to make ``value`` before it is fitted."""
    if hasattr(value, "get_params"):
        return _allowed(key, dict(value.get_params(deep=False)))
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value) if field.init}
    # a splitter of scikit-learn; those that repeat another keep its parameters apart
    known = {**vars(value), **getattr(value, "cvargs", {})}
    return {name: known[name] for name in allowed_parameters(key) or () if name in known}


def _allowed(key: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that may be saved, or taken from a file; warn of those left out."""
    allowed = allowed_parameters(key)
    if allowed is None:
        return params
    left_out = [name for name, value in params.items() if name not in allowed and value is not None]
    if left_out:
        warn_caller(
            f"{key.partition(':')[2]}: {', '.join(left_out)} is neither saved nor loaded: a file "
            "could name a folder of pickles by it. Set it again after loading",
            UserWarning,
        )
    return {name: value for name, value in params.items() if name in allowed}


def _is_fitted_name(cls: type, name: str) -> bool:
    """Tell whether a fit may set an attribute: no parameter, method or property, nothing private.

    A file that set others could name a folder of pickles, or put something in a method's place.
    """
    is_computed = hasattr(getattr_static(cls, name, None), "__get__")
    is_public = name.isidentifier() and name[0] != "_"
    return is_public and not is_computed and name not in signature(cls).parameters


def _made(cls: type, params: dict[str, Any]) -> Any:
    try:
        return cls(**params)
    except TypeError as error:
        raise ValueError(
            f"the saved {cls.__name__} has parameters {sorted(params)}, which the installed one "
            f"does not take ({error}): load it with the version named in its README.md"
        ) from error


def _requests(value: Any) -> dict[str, dict[str, Any]] | None:
    """Return what ``set_fit_request(groups=True)`` and the like have set, by method."""
    request = vars(value).get("_metadata_request")
    if request is None:
        return None
    return {
        method: dict(asked.requests)
        for method, asked in vars(request).items()
        if getattr(asked, "requests", None)
    }


def _request(value: Any, requests: dict[str, dict[str, Any]] | None) -> None:
    if requests is None:
        return
    request = value._get_metadata_request()
    for method, asked in requests.items():
        if method not in vars(request):
            raise ValueError(f"a {type(value).__name__} has no metadata request of {method!r}")
        for param, alias in asked.items():
            getattr(request, method).add_request(param=param, alias=alias)
    value._metadata_request = request


def _card(model: Any, made_with: dict[str, str]) -> str:
    from encodekit.core import code_block, markdown, shown

    versions = "\n".join(f"- {name} {version}" for name, version in made_with.items())
    code = code_block(shown(model, limit=5000, keep="\n"))
    return (
        f"# {markdown(type(model).__name__)}\n\nA fitted model saved by encodekit.\n\n"
        f'```python\nimport encodekit as ek\n\nmodel = ek.load("path/to/this/folder")\n```\n\n'
        f"{code}\n\nMade with\n\n{versions}\n"
    )
