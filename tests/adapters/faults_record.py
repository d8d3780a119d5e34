"""One damage of a data set, what reading must make of it, and what reading did make of it."""

import hashlib
import re
import shutil
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dask
import numpy as np

import encodekit as ek

VERDICTS = ("named", "told", "right")


@dataclass(frozen=True)
class Fault:
    """A damage, and its right verdict.

    named: an error that ``says`` where and what. told: read, a warning or ``describe()`` ``says``
    it, and the values are those that ``expected`` makes of the undamaged ones. right: the values
    are the undamaged ones. ``given`` are parameters of the reading, damaged or not.
    """

    verdict: str
    kind: str
    damage: Callable[[Path], Any]
    says: str = ""
    expected: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    given: dict[str, Any] = field(default_factory=dict)
    atol: float = 0.0


@dataclass(frozen=True)
class Reading:
    """All that was read, by name, and the lines that were said of it."""

    values: dict[str, Any]
    said: list[str]


def read_study(load: Callable[[], ek.Study], *, confounds: bool = False) -> Reading:
    """Return responses, times, targets, sounds, words and phones of a study, all computed."""
    one_thread = dask.config.set(scheduler="synchronous")
    with one_thread, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        study = load()
        found: dict[str, Any] = {"runs": sorted(study.runs)}
        found["people"] = sorted(study.participants)
        responses = [("", run) for run in study.responses()]
        if confounds:
            cleaned = study.clean(ek.ConfoundRemover(n_cosines=0))
            responses += [("cleaned ", run) for run in cleaned.responses()]
        for what, run in responses:
            name, people, values = run.run.values[0], run.participant.values, run.values
            found[f"{what}seconds of {name}"] = run.seconds.values
            for person in study.participants:
                found[f"{what}{name} of {person}"] = values[:, people == person]
            found["targets"] = run.target.values.tolist()
            found[f"units and TR of {name}"] = {k: run.attrs[k] for k in ("units", "space", "t_r")}
        for stimulus in study.stimuli:
            found[f"stimulus of {stimulus.run_name}"] = stimulus.name
            if stimulus.audio is not None:
                found[f"sound of {stimulus.run_name}"] = stimulus.load_audio()
            for kind in ("words", "phones"):
                table = getattr(stimulus, kind)
                if table is not None:
                    found[f"{kind} of {stimulus.run_name}"] = _cells(table, kind[:-1])
        said = study.describe().splitlines()
    return Reading(found, [*said, *(str(warning.message) for warning in caught)])


def _cells(table: Any, label: str) -> list[tuple[str, float, float]]:
    rows = zip(table[label], table["onset"], table["duration"], strict=True)
    return [(text, round(float(a), 6), round(float(b), 6)) for text, a, b in rows]


def difference(found: dict[str, Any], expected: dict[str, Any], atol: float) -> str:
    """Return what differs first, or nothing."""
    if found.keys() != expected.keys():
        return f"has {sorted(found.keys() ^ expected.keys())} or lacks it"
    for name, value in expected.items():
        if isinstance(value, np.ndarray):
            same = value.shape == found[name].shape and np.allclose(
                found[name], value, rtol=0, atol=atol, equal_nan=True
            )
        else:
            same = found[name] == value
        if not same:
            return f"{name} differs"
    return ""


def digest(root: Path) -> str:
    """Return a digest of all files of a folder, and of where its links lead."""
    made = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        made.update(str(path.relative_to(root)).encode())
        if path.is_symlink():
            made.update(str(path.readlink()).encode())
        elif path.is_file():
            made.update(path.read_bytes())
    return made.hexdigest()


class Campaign:
    """Damages copies of data sets in one place each, and counts the verdicts by kind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tally: dict[str, Counter[str]] = {}
        self.wrong: list[str] = []
        self.n_faults = 0

    def run(self, name: str, whole: Path, faults: Any, read: Callable[..., Reading]) -> None:
        """Try each fault on a copy of ``whole``, which ``read(root, **given)`` reads."""
        intact: dict[str, Reading] = {}
        before = digest(whole)
        self.folder.mkdir(exist_ok=True)
        root = self.folder / "set"  # of one name, so that what is said of paths is alike
        for k, fault in enumerate(faults):
            shutil.copytree(whole, root, symlinks=True)
            key = repr(sorted(fault.given.items()))
            if key not in intact:
                intact[key] = read(root, **fault.given)
                assert difference(read(root, **fault.given).values, intact[key].values, 0) == ""
            fault.damage(root)
            where = f"{name}, {fault.kind} ({k})"
            assert digest(root) != before, f"{where} changed nothing"
            verdict, why = judged(fault, root, intact[key], read)
            self.n_faults += 1
            self.tally.setdefault(f"{name}: {fault.kind}", Counter())[verdict] += 1
            if verdict != fault.verdict:
                self.wrong.append(f"{where} is {verdict}, expected {fault.verdict}: {why}")
            shutil.rmtree(root)

    def table(self) -> str:
        """Return the tally as text: a line for each kind, a column for each verdict."""
        verdicts = [*VERDICTS, *sorted({v for of in self.tally.values() for v in of} - {*VERDICTS})]
        lines = ["".join(f"{verdict:>9}" for verdict in verdicts)]
        for kind, counts in sorted(self.tally.items()):
            lines.append("".join(f"{counts[v] or '':>9}" for v in verdicts) + f"  {kind}")
        total = sum(self.tally.values(), Counter())
        lines.append("".join(f"{total[v]:>9}" for v in verdicts) + "  in all")
        return "\n".join(lines)


def judged(
    fault: Fault, root: Path, intact: Reading, read: Callable[..., Reading]
) -> tuple[str, str]:
    """Return the verdict on a damaged folder, and what led to it."""
    try:
        found = read(root, **fault.given)
    except (ValueError, OSError) as error:
        is_clear = fault.says and re.search(fault.says, str(error), re.DOTALL)
        return ("named" if is_clear else "unclear"), f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001  (what no reader should raise)
        return "unclear", f"{type(error).__name__}: {error}"
    plain = difference(found.values, intact.values, fault.atol)
    if not plain:
        return "right", "its values are the undamaged ones"
    news = "\n".join(line for line in found.said if line not in intact.said)
    if fault.expected is None:
        return "silent", f"{plain}, and what is said anew is {news!r}"
    expected = fault.expected(dict(intact.values))
    if wrong := difference(found.values, expected, fault.atol):
        return "silent", f"{wrong} from what is expected; said anew: {news!r}"
    if fault.verdict == "right":
        return "right", "its values are those that are expected"
    if not (fault.says and re.search(fault.says, news, re.DOTALL)):
        return "silent", f"{plain}; said anew: {news!r}"
    return "told", news
