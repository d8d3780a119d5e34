"""YAML with the line of every value, and with nothing executed."""

import re
from typing import Any

import yaml

Path = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """Safe YAML, in which 1e-3 is a number."""


# PyYAML follows YAML 1.1, where a float needs a dot.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


class Located:
    """A parsed YAML document and where its values stand.

    Parameters
    ----------
    text : str

    Attributes
    ----------
    content : dict
    lines : dict of path to int
        The line, from 1, on which the key or item of a path stands.
    mistakes : list of (path, str)
        Keys that come twice.
    """

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self.mistakes: list[tuple[Path, str]] = []
        node = yaml.compose(text, _Loader)
        self._visit(node, ())
        self.content = yaml.load(text, _Loader)

    def line(self, path: Path) -> int | None:
        """Return the line of a path, or of what it stands in."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def set(self, path: Path, value: Any) -> None:
        """Set a value from outside the file; raise LookupError where its place is not there."""
        place: Any = self.content
        for key in path[:-1]:
            place = place[key]
        if not isinstance(place, dict):
            raise LookupError(path[-1])
        place[path[-1]] = value
        self.lines = {p: n for p, n in self.lines.items() if p[: len(path)] != path}

    def _visit(self, node: Any, path: Path) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = (*path, key.value)
                if here in self.lines:
                    self.mistakes.append((here, f"{key.value!r} comes twice"))
                self.lines[here] = key.start_mark.line + 1
                self._visit(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for place, value in enumerate(node.value):
                self.lines[(*path, place)] = value.start_mark.line + 1
                self._visit(value, (*path, place))


def parse_value(text: str) -> Any:
    """Return the value that a text stands for in YAML."""
    return yaml.load(text, _Loader)
