"""Several studies as one, and participants under other names."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from encodekit.core import refuse, unknown_name
from encodekit.data._study_checks import check_stimuli
from encodekit.data._study_contents import ByRun, StudyContents, TargetCoords


def joined(name: str, studies: Sequence[StudyContents]) -> StudyContents:
    """Return the study of all stimuli and participants, or raise."""
    owners: dict[str, StudyContents] = {}
    twice: list[str] = []
    for study in studies:
        twice += [
            f"participant {person!r} is in {owners[person].name!r} and in {study.name!r}: rename "
            f"one, study.rename({{{person!r}: ...}})"
            for person in study.participants
            if owners.setdefault(person, study) is not study
        ]
    refuse(f"study {name!r}", twice)
    stimuli = [stimulus for study in studies for stimulus in study.stimuli]
    check_stimuli(name, stimuli)
    described = [f"{study.name}: {study.description}" for study in studies if study.description]
    return StudyContents(
        name=name,
        description="\n".join(described) or None,
        stimuli=stimuli,
        responses={p: runs for study in studies for p, runs in study.responses.items()},
        confounds={p: runs for study in studies for p, runs in study.confounds.items()},
        targets={p: coords for study in studies for p, coords in study.targets.items()},
    )


def renamed(study: StudyContents, names: Mapping[str, str]) -> StudyContents:
    """Return ``study`` with other names of participants, or raise."""
    people = study.participants
    mistakes = [unknown_name("participant", old, people) for old in names if old not in people]
    wanted = [names.get(person, person) for person in people]
    mistakes += [f"two participants would be {new!r}: give each its own name"
                 for new in sorted({new for new in wanted if wanted.count(new) > 1})]  # fmt: skip
    refuse(f"study {study.name!r}", mistakes)
    named = {old: names.get(old, old) for old in people}
    targets = {old: _renamed(study.targets[old], old, new) for old, new in named.items()}
    truth = study.truth if all(old == new for old, new in named.items()) else None
    return replace(
        study,
        responses={new: _at(study.responses[old], targets[old]) for old, new in named.items()},
        confounds={named[old]: tables for old, tables in study.confounds.items()},
        targets={new: targets[old] for old, new in named.items()},
        truth=truth,
    )


def _renamed(targets: TargetCoords, old: str, new: str) -> TargetCoords:
    if old == new:
        return targets
    plain = [name.removeprefix(f"{old}/") for name in targets["target"].tolist()]
    people = np.full(len(plain), new)
    return {**targets, "target": np.array([f"{new}/{name}" for name in plain]),
            "participant": people}  # fmt: skip


def _at(runs: ByRun, targets: TargetCoords) -> ByRun:
    places = xr.Coordinates({name: ("target", values) for name, values in targets.items()})
    return {run: array.assign_coords(places) for run, array in runs.items()}
