"""YAML 1.2 with the line of every value, bounded in what it may become, and nothing executed."""

import math
import re
from collections.abc import Iterator
from typing import Any

from yaml import MappingNode, MarkedYAMLError, Node, ScalarNode, SequenceNode
from yaml.composer import Composer
from yaml.events import AliasEvent
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

Path = tuple[str | int, ...]

MAX_BYTES = 1_000_000
# Of what a document stands for, every alias written out: a long study has some 2,000 values.
_MAX_VALUES = 20_000
_MAX_CHARACTERS = 1_000_000
_MAX_DEPTH = 50
_MAX_TEXT = 10_000
_MAX_KEY = 200
_MAX_DIGITS = 18  # what 64 bits hold

_YAML = "tag:yaml.org,2002:"
_MERGE = f"{_YAML}merge"
_BOMS = {
    "UTF-32": (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"),
    "UTF-16": (b"\xff\xfe", b"\xfe\xff"),
}
# YAML 1.2, so that `on` and `no` are words; numbers that begin with a 0 or hold a : or a _ too.
_WHOLE = r"[-+]?(?:0|[1-9][0-9]*)"
_NUMBER = rf"(?:{_WHOLE}(?:\.[0-9]*)?|[-+]?\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_NOT_FINITE = r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
_FORMS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (_WHOLE, list("-+0123456789")),
    "float": (rf"{_NUMBER}|{_NOT_FINITE}", list("-+.0123456789")),
    "merge": (r"<<", ["<"]),
}
_KINDS = {"null": "null", "bool": "true or false", "int": "a number", "float": "a number"}


class YamlMistake(ValueError):  # noqa: N818
    """What is wrong with a document, and the line where it is, from 1."""

    def __init__(self, told: str, line: int | None = None) -> None:
        super().__init__(told)
        self.line = line


class _Composer(Reader, Scanner, Parser, Composer, BaseResolver):
    """Composes nodes, and stops as soon as they stand for too much; constructs nothing."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._depth = self._values = self._characters = 0
        self._costs: dict[int, tuple[int, int, int]] = {}  # values, characters, depth of a node

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        self._depth += 1
        self._bound(line, 0)
        before = self._values, self._characters
        node: Any = super().compose_node(parent, index)
        if isinstance(event, AliasEvent):
            self._alias(str(event.anchor), node, line)
        else:
            self._count(node, line, before)
        self._depth -= 1
        return node

    def _count(self, node: Node, line: int, before: tuple[int, int]) -> None:
        self._values += 1
        within = 0
        if isinstance(node, ScalarNode):
            self._characters += len(node.value)
        else:
            within = 1 + max((self._costs[id(child)][2] for child in _children(node)), default=0)
        self._bound(line, 0)
        values, characters = self._values - before[0], self._characters - before[1]
        self._costs[id(node)] = (values, characters, within)

    def _alias(self, name: str, node: Node, line: int) -> None:
        if id(node) not in self._costs:
            raise YamlMistake(f"*{name} stands in what it stands for: write it out", line)
        values, characters, within = self._costs[id(node)]
        self._values += values
        self._characters += characters
        self._bound(line, within)

    def _bound(self, line: int, within: int) -> None:
        if self._depth + within > _MAX_DEPTH:
            told = f"lists and mappings lie more than {_MAX_DEPTH} deep: write a flatter file"
            raise YamlMistake(told, line)
        if self._values > _MAX_VALUES or self._characters > _MAX_CHARACTERS:
            raise YamlMistake(
                f"up to here there are more than {_MAX_VALUES:,} values or {_MAX_CHARACTERS:,} "
                "characters, aliases written out: write a smaller file",
                line,
            )


for _name, (_form, _first) in _FORMS.items():
    _Composer.add_implicit_resolver(_YAML + _name, re.compile(f"^(?:{_form})$"), _first)


class Located:
    """A parsed YAML document and where its values stand.

    Parameters
    ----------
    given : bytes or str

    Attributes
    ----------
    content : dict
    lines : dict of path to int
        The line, from 1, on which the key or item of a path stands.
    mistakes : list of (path, str)
        Keys that come twice, or that are no text.

    Raises
    ------
    YamlMistake
        If it is no YAML, in another encoding, or stands for too much.
    """

    def __init__(self, given: bytes | str) -> None:
        self.lines: dict[Path, int] = {}
        self.mistakes: list[tuple[Path, str]] = []
        node = _composed(_decoded(given) if isinstance(given, bytes) else given)
        self.content: Any = None if node is None else self._built(node, ())

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

    def _built(self, node: Node, path: Path) -> Any:
        """Return what a node stands for; an alias gives a value of its own at each place."""
        if isinstance(node, ScalarNode):
            return _scalar(node)
        kind = "seq" if isinstance(node, SequenceNode) else "map"
        if node.tag != _YAML + kind:
            raise YamlMistake(_odd_tag(node), _line(node))
        if kind == "map":
            return self._mapping(node, path)
        items = []
        for place, item in enumerate(node.value):
            self.lines[(*path, place)] = _line(item)
            items.append(self._built(item, (*path, place)))
        return items

    def _mapping(self, node: Node, path: Path) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        pairs, seen = [], set()
        for key, value in node.value:
            if key.tag == _MERGE:
                for source in _merged(value):
                    merged = {**self._mapping(source, path), **merged}  # the first one wins
            else:
                pairs.append((key, value))
            name = self._key(key, path)
            self.lines[(*path, name)] = _line(key)
            if name in seen:
                self.mistakes.append(((*path, name), f"{name!r} comes twice"))
            seen.add(name)
        own = {}
        for key, value in pairs:
            here = (*path, key.value)
            self.lines[here] = _line(key)  # not of the merged one that it stands for
            own[key.value] = self._built(value, here)
        return {**merged, **own}

    def _key(self, key: Node, path: Path) -> str:
        if not isinstance(key, ScalarNode):
            kind = "list" if isinstance(key, SequenceNode) else "mapping"
            raise YamlMistake(f"a key is a {kind}, expected a text", _line(key))
        if len(key.value) > _MAX_KEY:
            told = f"a key has {len(key.value)} characters, expected at most {_MAX_KEY}"
            raise YamlMistake(f"{told}: write a shorter one", _line(key))
        name = key.value if key.tag == _MERGE else _scalar(key)
        if not isinstance(name, str):
            kind = _KINDS[key.tag.removeprefix(_YAML)]
            told = f"the key {key.value!r} is {kind}, expected a text: put it in quotes"
            self.mistakes.append(((*path, key.value), told))
        return str(key.value)


def parse_value(text: str) -> Any:
    """Return the value that a text stands for in YAML.

    Raises
    ------
    YamlMistake
        As of a file.
    """
    located = Located(text)
    for _, told in located.mistakes:
        raise YamlMistake(told)
    return located.content


def _decoded(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise YamlMistake(f"it has more than {MAX_BYTES:,} bytes: write a smaller file")
    for name, marks in _BOMS.items():
        if data.startswith(marks):
            raise YamlMistake(f"it is {name} text: save it as UTF-8", 1)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        told = f"the byte 0x{data[error.start]:02x} is no UTF-8 text: save the file as UTF-8"
        raise YamlMistake(told, line) from error


def _composed(text: str) -> Node | None:
    _refuse_unprintable(text, 1)
    composer = _Composer(text)
    try:
        node: Node | None = composer.get_single_node()
    except YamlMistake:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        told = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlMistake(f"it is no YAML: {told:.200}", mark.line + 1 if mark else None) from error
    except Exception as error:  # the scanner lets int() and chr() fail as they do
        raise YamlMistake(f"it is no YAML: {error!s:.200}", composer.line + 1) from error
    finally:
        composer.dispose()
    return node


def _refuse_unprintable(text: str, line: int) -> None:
    found = Reader.NON_PRINTABLE.search(text)
    if found:
        told = f"there is the character U+{ord(found[0]):04X}, which is no text: leave it out"
        raise YamlMistake(told, line + text.count("\n", 0, found.start()))


def _children(node: Node) -> Iterator[Node]:
    for item in node.value:
        yield from item if isinstance(item, tuple) else (item,)


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _merged(value: Node) -> list[Node]:
    """Return the mappings that ``<<`` takes over."""
    sources = value.value if isinstance(value, SequenceNode) else [value]
    if not all(isinstance(source, MappingNode) for source in sources):
        raise YamlMistake("<< takes a mapping, or a list of mappings", _line(value))
    return list(sources)


def _odd_tag(node: Node) -> str:
    tag = node.tag.replace(_YAML, "!!")
    return f"the tag {tag!r:.60} is not one of experiment files: leave it out"


def _scalar(node: ScalarNode) -> str | int | float | bool | None:
    value, line = str(node.value), _line(node)
    _refuse_unprintable(value, line)
    if len(value) > _MAX_TEXT:
        told = f"a value has {len(value)} characters, expected at most {_MAX_TEXT}"
        raise YamlMistake(f"{told}: write a shorter one", line)
    kind = node.tag.removeprefix(_YAML)
    if node.tag == f"{_YAML}str" or kind == "merge":
        return value
    if node.tag == kind or kind not in _KINDS:
        raise YamlMistake(_odd_tag(node), line)
    if not re.fullmatch(_FORMS[kind][0], value):
        raise YamlMistake(f"{value!r:.60} is not {_KINDS[kind]}, as its tag says", line)
    if kind == "null":
        return None
    if kind == "bool":
        return value.lower() == "true"
    return _whole(value, line) if kind == "int" else _number(value, line)


def _whole(value: str, line: int) -> int:
    if len(value.lstrip("+-")) > _MAX_DIGITS:
        told = f"the number {value!r:.30} has more than {_MAX_DIGITS} digits"
        raise YamlMistake(f"{told}: write it as 1e30, or in quotes where it is a name", line)
    return int(value)


def _number(value: str, line: int) -> float:
    if value[-1].isalpha():
        return float(value.replace(".", "", 1))
    number = float(value)
    zero = not re.search("[1-9]", re.split("[eE]", value)[0])
    if math.isinf(number) or (number == 0.0 and not zero):
        raise YamlMistake(f"the number {value!r:.30} is beyond what a computer holds", line)
    return number
