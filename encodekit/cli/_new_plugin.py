"""``encodekit plugins new``: a package that installs, passes its tests, and can be changed."""

import re
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from string import Template

from encodekit.core import __version__

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
# Where each template goes: hidden files and the package itself have other names in the project.
_PLACES = {"github/test.yml": ".github/workflows/test.yml", "gitignore": ".gitignore"}


def write_plugin(name: str, parent: Path) -> Path:
    """Write the package of a new plugin with one feature extractor, and return its folder.

    Parameters
    ----------
    name : str
        Of the distribution, such as ``my-lab-pitch``: lower case letters, digits and hyphens.
    parent : path
        Where the folder of that name is made.

    Raises
    ------
    ValueError
        If the name has another form, or a distribution or module of that name is installed.
    FileExistsError
        If there is a folder of that name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"a plugin cannot be named {name!r}: take lower case letters, digits and hyphens, "
            "such as my-lab-pitch"
        )
    package = name.replace("-", "_")
    taken = _whose(name, package)
    if taken:
        raise ValueError(
            f"a plugin cannot be named {name!r}: {taken} is installed here, and one would hide the "
            f"other: take a name that begins with your lab's, such as my-lab-{name}"
        )
    folder = parent / name
    if folder.exists():
        raise FileExistsError(f"{folder} exists: take another name, or --folder")
    words = {
        "name": name,
        "record": name,
        "package": package,
        "class_name": "".join(part.capitalize() for part in name.split("-")),
        "version": __version__,
    }
    for place, text in _templates(files("encodekit.cli") / "skeleton"):
        path = folder / _PLACES.get(place, place.replace("package/", f"{package}/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(text).substitute(words), encoding="utf-8")
    (folder / package / "py.typed").touch()
    return folder


def _whose(name: str, package: str) -> str | None:
    """Return which distribution or module has the name already, if one has."""
    try:
        return f"the distribution {distribution(name).name}"
    except PackageNotFoundError:
        spec = find_spec(package)
    # A folder of that name in the working directory, which has no origin, hides nothing.
    return f"the module {package}" if spec and spec.origin else None


def _templates(folder: Traversable, prefix: str = "") -> list[tuple[str, str]]:
    """Return (place, text) of every template, whose files end in .txt."""
    found = []
    for item in folder.iterdir():
        if item.is_dir():
            found += _templates(item, f"{prefix}{item.name}/")
        elif item.name.endswith(".txt"):
            found.append((prefix + item.name.removesuffix(".txt"), item.read_text("utf-8")))
    return found
