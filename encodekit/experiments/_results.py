"""The folder of results: tables, maps, tuned models, and how all of it was made."""

import json
import os
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from encodekit.core import SealedFolder, atomic_write
from encodekit.experiments._steps import Step, Work, slug
from encodekit.features import cache_folder
from encodekit.plugins import registry
from encodekit.reports import Result, environment

_MARKER = ".encodekit-results"
_FILES = ("result.nc", "table.csv", "provenance.json", "experiment.json")


class Results:
    """The results in a folder, and what is known of the time that steps take.

    ::

        result.nc              everything, for ek.Result.load
        table.csv              one row per model, area and what else is kept apart
        provenance.json        versions, plugins, seed, stories by part with their hashes, steps
        experiment.json        the file as it was read, every default filled in
        scores/*.json, *.nc    the result of one model in one area, for ek.Result.load
        models/*               tuned features, as ``encodekit.save`` writes them
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def claim(self) -> None:
        """Make the folder, or take one that holds results or none of the names above.

        Raises
        ------
        FileExistsError
            Where it holds something of such a name that no experiment wrote.
        """
        marker = self.folder / _MARKER
        if not marker.is_file():
            written = [*_FILES, "scores", "models"]
            found = [name for name in written if os.path.lexists(self.folder / name)]
            if found:
                raise FileExistsError(
                    f"{str(self.folder)!r} holds {', '.join(map(repr, found))}, and no results of "
                    "encodekit: move it away, or name another folder for the results"
                )
            self.folder.mkdir(parents=True, exist_ok=True)
            atomic_write(marker, b"This folder holds results that `encodekit run` wrote.\n")

    def kept(self, step: Step) -> bool:
        """Tell whether the result of a step is here and whole."""
        record = self._read(self._record(step))
        if record.get("key") != step.key:
            return False
        try:
            if step.verb == "score":
                self.result(step)
            else:
                SealedFolder.open(self.model(step.model)).verify()
        except (OSError, ValueError):
            return False
        return True

    def model(self, name: str) -> Path:
        """Return the folder of the tuned features of a model."""
        return self.folder / "models" / slug(name)

    def result(self, step: Step) -> Result:
        """Return the result of one model in one area that was kept."""
        return Result.load(self._scores(step))

    def keep(self, step: Step, result: Result, seconds: float) -> None:
        """Write the result of one model in one area."""
        self._scores(step).parent.mkdir(parents=True, exist_ok=True)
        result.save(self._scores(step))
        self.note(step, seconds)

    def note(self, step: Step, seconds: float) -> None:
        """Write, last, that a step is done and what it took."""
        record = {"step": step.name, "key": step.key, "seconds": seconds}
        self._record(step).parent.mkdir(parents=True, exist_ok=True)
        atomic_write(self._record(step), json.dumps(record, indent=1).encode())
        rates = self._read(_rates()) | {step.rate: seconds / max(step.seconds, 1.0)}
        with suppress(OSError):  # without a cache there are no estimates
            _rates().parent.mkdir(parents=True, exist_ok=True)
            atomic_write(_rates(), json.dumps(rates, indent=1).encode())

    def estimate(self, step: Step) -> float | None:
        """Return the seconds that a step may take: as steps of its kind took here before."""
        rate = self._read(_rates()).get(step.rate)
        return None if rate is None else rate * step.seconds

    def finish(self, work: Work, result: Result, computed: list[str]) -> None:
        """Write the result, its table and how it was made."""
        result.save(self.folder / "result.nc")
        table = result.tables["scores"].to_csv(index=False)
        atomic_write(self.folder / "table.csv", table.encode())
        content = json.dumps(work.content, indent=1).encode()
        atomic_write(self.folder / "experiment.json", content)
        told = json.dumps(_provenance(work, self, computed), indent=1).encode()
        atomic_write(self.folder / "provenance.json", told)

    def seconds(self, step: Step) -> float:
        """Return what a kept step took."""
        return float(self._read(self._record(step)).get("seconds", 0.0))

    def _record(self, step: Step) -> Path:
        return self.folder / "scores" / f"{slug(step.name)}.json"

    def _scores(self, step: Step) -> Path:
        return self._record(step).with_suffix(".nc")

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _rates() -> Path:
    path = cache_folder("auto", "encodekit-rates.json")
    assert path is not None
    return path


def _provenance(work: Work, results: Results, computed: list[str]) -> dict[str, Any]:
    file = work.experiment.path
    return {
        "title": work.content["title"],
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "file": {"name": file.name, "sha256": sha256(file.read_bytes()).hexdigest()},
        "seed": work.content["seed"],
        "versions": environment(),
        "plugins": [plugin.title for plugin in registry().plugins if plugin.status == "loaded"],
        "study": work.study.describe(),
        "stories": {
            part: {stimulus.run_name: stimulus.content_hash for stimulus in study.stimuli}
            for part, study in work.parts.items()
        },
        "steps": [
            {
                "step": step.name,
                "key": step.key,
                "seconds": round(results.seconds(step), 3),
                "computed": step.name in computed,
            }
            for step in work.steps()
        ],
    }
