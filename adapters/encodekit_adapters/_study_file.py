"""The file that describes a study of one's own: ``study.json``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from encodekit_adapters._json import read_json

SCHEMA = 1
_SHOWN = 50  # problems
Digest = Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ArrayFile(_Part):
    """An array in a file: .npy, .npz or HDF5 with a ``key``, at an ``index`` of its first axis."""

    file: str
    key: str | None = None
    index: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, given: Any) -> Any:
        return {"file": given} if isinstance(given, str) else given


class TableFile(_Part):
    """Timed words or phones: a TextGrid's ``tier``, or the columns of a .csv or .tsv."""

    file: str
    tier: str | None = None
    label: str | None = None
    onset: str = "onset"
    duration: str | None = None
    offset: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, given: Any) -> Any:
        return {"file": given} if isinstance(given, str) else given


class StimulusFile(_Part):
    """What was heard in one run, and when its TRs were: ``first_onset`` or ``tr_times``, in s."""

    heard: str | None = None
    audio: str | None = None
    words: TableFile | None = None
    phones: TableFile | None = None
    first_onset: float | None = None
    tr_times: list[float] | None = None

    @model_validator(mode="after")
    def _one_grid(self) -> "StimulusFile":
        if (self.first_onset is None) == (self.tr_times is None):
            raise ValueError("give one of first_onset (s of audio at row 0) and tr_times (s)")
        return self


class Targets(_Part):
    """Where the targets are: lists with an entry for each, or a ``file`` (.csv, .tsv) of them."""

    file: str | None = None
    hemisphere: list[str] | None = None
    vertex: list[int] | None = None
    voxel: list[int] | None = None
    region: list[str] | None = None


class Participant(_Part):
    """One participant's responses and confounds by run; a list of files holds repeats."""

    responses: dict[str, ArrayFile | list[ArrayFile]] = Field(min_length=1)
    confounds: dict[str, ArrayFile | list[ArrayFile]] = {}
    targets: Targets | None = None


class StudyFile(_Part):
    """A study's description; ``encodekit_study`` is the version of this format.

    ``sha256``, if given, has the sum of every file by its path, as the description names it.
    """

    encodekit_study: Literal[1]
    name: str
    t_r: float = Field(gt=0)
    sample_offset: float | None = Field(default=None, ge=0)
    space: str = "native"
    units: str = "z"
    description: str | None = None
    targets: Targets = Targets()
    stimuli: dict[str, StimulusFile] = Field(min_length=1)
    participants: dict[str, Participant] = Field(min_length=1)
    sha256: dict[str, Digest] = {}

    @field_validator("encodekit_study", mode="before")
    @classmethod
    def _a_number(cls, given: Any) -> Any:
        return str(given) if isinstance(given, bool) else given  # True equals 1


def files_of(described: StudyFile, people: Mapping[str, Participant]) -> list[str]:
    """Return the files that a study of some of its participants is made of."""
    tables = [described.targets, *(person.targets for person in people.values())]
    files = [table.file for table in tables if table is not None]
    for heard in described.stimuli.values():
        labels = (heard.words, heard.phones)
        files += [heard.audio, *(table.file for table in labels if table is not None)]
    for person in people.values():
        for given in (*person.responses.values(), *person.confounds.values()):
            files += [item.file for item in (given if isinstance(given, list) else [given])]
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
        problems = [f"{path.name}: {_problem(item)}" for item in error.errors()]
        more = [f"{path.name}: {len(problems) - _SHOWN} more"] if problems[_SHOWN:] else []
        return None, [*problems[:_SHOWN], *more]


def _problem(item: Any) -> str:
    """Return one of pydantic's errors in words; the union's own branches are left out."""
    parts = [str(part) for part in item["loc"] if not str(part).startswith("list[")]
    where = ".".join(parts) or "the whole"
    got = f" (got {item['input']!r})" if item["type"] not in ("missing", "value_error") else ""
    said = {
        "extra_forbidden": "unknown field",
        "missing": "is lacking",
    }.get(item["type"], item["msg"])
    return f"{where:.200}: {said}{got if len(got) < 80 else ''}"
