"""JSON that people write: read with the line of what is wrong."""

import json
import re
from json.decoder import JSONArray, JSONObject, scanstring  # type: ignore[attr-defined]
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

from encodekit.core import present_file

_ADVICE = "mend it, or get it again"
_MAX_DEPTH = 50
_MAX_DIGITS = 18  # what 64 bits hold
# Control characters and halves of characters, of which no file has its name.
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class _Decoder(json.JSONDecoder):
    """Refuses keys that come twice, deep nesting, and numbers and texts that nothing can take."""

    def __init__(self) -> None:
        super().__init__(object_pairs_hook=list, parse_int=_whole, parse_float=_number,
                         parse_constant=_no_constant)  # fmt: skip
        self._depth = 0
        self.parse_object = self._object
        self.parse_array = self._array
        self.parse_string = self._string
        self.scan_once = py_make_scanner(self)

    def _object(self, at: tuple[str, int], *arguments: Any) -> tuple[dict[str, Any], int]:
        pairs, end = self._deeper(JSONObject, at, *arguments)
        found = dict(pairs)
        for name in found:
            _check_text(name, *at)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise json.JSONDecodeError(f"{twice!r:.80} comes twice in one object", *at)
        return found, end

    def _array(self, at: tuple[str, int], *arguments: Any) -> Any:
        return self._deeper(JSONArray, at, *arguments)

    def _deeper(self, parse: Any, at: tuple[str, int], *arguments: Any) -> Any:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise json.JSONDecodeError(f"lists and objects lie more than {_MAX_DEPTH} deep", *at)
        found = parse(at, *arguments)
        self._depth -= 1
        return found

    def _string(self, text: str, end: int, strict: bool = True) -> tuple[str, int]:
        found, after = scanstring(text, end, strict)
        _check_text(found, text, end)
        return found, after


def _check_text(found: str, text: str, place: int) -> None:
    if odd := _NO_TEXT.search(found):
        told = f"there is the character U+{ord(odd[0]):04X}, which is no text"
        raise json.JSONDecodeError(told, text, place)


def read_json(path: Path, *, strict: bool = True) -> Any:
    """Return what a JSON file holds.

    Parameters
    ----------
    path : Path
    strict : bool
        False allows what programs write: NaN, Infinity, keys that come twice.

    Raises
    ------
    FileNotFoundError
        If it is not there, or a pointer.
    ValueError
        With the file, the line and what is wrong.
    """
    name = str(path)
    try:
        text = present_file(path).read_bytes().decode("utf-8-sig")
        if strict:
            return _Decoder().decode(text)
        return json.loads(text)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{name!r}, line {line}, is not UTF-8: save it as UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{name!r} is not JSON: line {error.lineno}: {error.msg}; {_ADVICE}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name!r} is not JSON: {error}; {_ADVICE}") from error


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > _MAX_DIGITS:
        raise ValueError(f"the number {text:.30} has more than {_MAX_DIGITS} digits")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if number in (float("inf"), -float("inf")):
        raise ValueError(f"the number {text:.30} is beyond what a computer holds")
    return number


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON: write a number, or null")
