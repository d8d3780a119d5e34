"""The file that describes a study of one's own: ``study.json``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from encodekit_adapters._json import read_json

SCHEMA = 1
_SHOWN = 50  # problems
_BRANCHES = ("list[", "function-before[", "ResponseFile", "ConfoundFile")
T = TypeVar("T")
Digest = Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _InFile(_Part):
    file: str

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, given: Any) -> Any:
        return {"file": given} if isinstance(given, str) else given


class ArrayFile(_InFile):
    """An array in a file: its ``key`` where there are several, the ``index`` of its first axis.

    ``transposed`` says that it is stored (target, time); false, that it is not, whatever its shape.
    """

    key: str | None = None
    index: int | None = None
    transposed: bool | None = None


class _Timed(_Part):
    """When a scan was, relative to the sound.

    ``scan_starts`` is the time in the sound at the onset of row 0 of the file, s: -6 of a scan that
    began 6 s before the sound, 6 of one that began 6 s late. ``rows`` are those that count, from
    the first up to, not including, the second; without ``scan_starts``, its first is at 0 s.
    """

    scan_starts: float | None = None
    rows: list[int] | None = Field(default=None, min_length=2, max_length=2)

    @field_validator("rows")
    @classmethod
    def _in_order(cls, given: list[int] | None) -> list[int] | None:
        if given is not None and not 0 <= given[0] < given[1]:
            raise ValueError(
                "rows are the first row that counts and the one after the last, from 0"
            )
        return given

    @property
    def is_timed(self) -> bool:
        """Whether it says when the scan was."""
        return self.scan_starts is not None or self.rows is not None


class ResponseFile(ArrayFile, _Timed):
    """A participant's response to a run; timed by itself where its scan was at another time."""


class ConfoundFile(ArrayFile):
    """Confounds of the rows of a response's file: of a table, these ``columns``, or all."""

    columns: list[str] | None = Field(default=None, min_length=1)


class TableFile(_InFile):
    """Timed words or phones: a TextGrid's ``tier``, or the columns of a .csv or .tsv.

    ``silence`` are the labels that are no words, in place of the usual ones.
    """

    tier: str | None = None
    label: str | None = None
    onset: str = "onset"
    duration: str | None = None
    offset: str | None = None
    silence: list[str] | None = None


class StimulusFile(_Timed):
    """What was heard in one run, and when its scan was.

    ``first_onset`` is another name of ``scan_starts``; ``tr_times`` has the onset of each row, s.
    """

    heard: str | None = None
    audio: str | None = None
    words: TableFile | None = None
    phones: TableFile | None = None
    first_onset: float | None = None
    tr_times: list[float] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_grid(self) -> "StimulusFile":
        given = [
            n for n in ("scan_starts", "first_onset", "tr_times") if getattr(self, n) is not None
        ]
        if len(given) > 1:
            raise ValueError(f"give one of {' and '.join(given)}")
        if self.first_onset is not None and self.rows is not None:
            raise ValueError(
                "first_onset beside rows may be of row 0 or of the first that counts: write "
                "scan_starts, the time in the sound of row 0 of the file, or rows alone"
            )
        return self

    @property
    def starts(self) -> float | None:
        """The time in the sound of row 0, s, where it is stated."""
        return self.first_onset if self.scan_starts is None else self.scan_starts

    @property
    def is_timed(self) -> bool:
        """Whether it says when the scan was."""
        return super().is_timed or self.starts is not None or self.tr_times is not None


class Targets(_Part):
    """Where the targets are: lists with an entry for each, or a ``file`` (.csv, .tsv) of them.

    A file with a column ``participant`` has the targets of several people.
    """

    file: str | None = None
    hemisphere: list[str] | None = None
    vertex: list[int] | None = None
    voxel: list[int] | None = None
    region: list[str] | None = None


class Participant(_Part):
    """One participant's responses and confounds by run; a list of files holds repeats."""

    responses: dict[str, ResponseFile | list[ResponseFile]] = Field(min_length=1)
    confounds: dict[str, ConfoundFile | list[ConfoundFile]] = {}
    targets: Targets | None = None


class StudyFile(_Part):
    """A study's description; ``encodekit_study`` is the version of this format.

    ``units`` are guessed from the values if not given. ``sha256``, if given, has the sum of every
    file by its path, as the description names it.
    """

    encodekit_study: Literal[1]
    name: str
    t_r: float = Field(gt=0)
    sample_offset: float | None = Field(default=None, ge=0)
    space: str = "native"
    units: str | None = None
    description: str | None = None
    targets: Targets = Targets()
    stimuli: dict[str, StimulusFile] = Field(min_length=1)
    participants: dict[str, Participant] = Field(min_length=1)
    sha256: dict[str, Digest] = {}

    @field_validator("encodekit_study", mode="before")
    @classmethod
    def _a_number(cls, given: Any) -> Any:
        return str(given) if isinstance(given, bool) else given  # True equals 1


def listed(given: T | list[T]) -> list[T]:
    """Return what is given as a list; one file is a list of one."""
    return given if isinstance(given, list) else [given]


def files_of(described: StudyFile, people: Mapping[str, Participant]) -> list[str]:
    """Return the files that a study of some of its participants is made of."""
    tables = [described.targets, *(person.targets for person in people.values())]
    files = [table.file for table in tables if table is not None]
    for heard in described.stimuli.values():
        labels = (heard.words, heard.phones)
        files += [heard.audio, *(table.file for table in labels if table is not None)]
    for person in people.values():
        files += [item.file for given in person.responses.values() for item in listed(given)]
        files += [item.file for given in person.confounds.values() for item in listed(given)]
    return [name for name in files if name is not None]


def read_study_file(path: Path) -> tuple[StudyFile | None, list[str]]:
    """Return the description in ``path``, or None and everything that is wrong with it."""
    if not path.is_file():
        return None, [f"{path.name} is not there: describe the study in it (see the guide)"]
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        return None, [str(error)]
    try:
        return StudyFile.model_validate(content), []
    except ValidationError as error:
        found = [item for item in error.errors() if not _is_other_branch(item)]
        problems = [f"{path.name}: {_problem(item)}" for item in found]
        more = [f"{path.name}: {len(problems) - _SHOWN} more"] if problems[_SHOWN:] else []
        return None, [*problems[:_SHOWN], *more]


def _is_other_branch(item: Any) -> bool:
    """Tell an error of a list where no list was given, or of one file where a list was."""
    if not item["loc"] or not str(item["loc"][-1]).startswith(_BRANCHES):
        return False
    return item["type"] == "list_type" or isinstance(item["input"], list)


def _problem(item: Any) -> str:
    """Return one of pydantic's errors in words; the union's own branches are left out."""
    parts = [str(part) for part in item["loc"] if not str(part).startswith(_BRANCHES)]
    where = ".".join(parts) or "the whole"
    got = f" (got {item['input']!r})" if item["type"] not in ("missing", "value_error") else ""
    said = {
        "extra_forbidden": "unknown field",
        "missing": "is lacking",
        "model_type": "expected an object {...}, or the name of a file where it names one",
    }.get(item["type"], item["msg"].removeprefix("Value error, "))
    return f"{where:.200}: {said}{got if len(got) < 80 else ''}"
