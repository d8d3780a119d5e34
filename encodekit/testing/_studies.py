"""Check a study: stimuli and responses that belong together and keep the data contract."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from encodekit.data import Study, validate
from encodekit.saving import load_study
from encodekit.testing._digest import digest
from encodekit.testing._run_checks import Skip, require, run_checks


def check_study(load: Callable[[], Study], *, skip: Skip | None = None) -> tuple[str, ...]:
    """Check that what a study's loader returns keeps the data contract.

    Parameters
    ----------
    load : callable
        Without parameters: ``lambda: my_study(root=folder)``. Called twice; give it a study small
        enough to read whole.
    skip : mapping of check to reason, optional
        Checks that do not apply.

    Returns
    -------
    tuple of str
        The checks that passed.

    Raises
    ------
    ContractError
        With every check that failed and why.

    Examples
    --------
    >>> from encodekit.testing import small_study
    >>> len(check_study(small_study))
    8
    """
    return run_checks("the study", STUDY_CHECKS, StudyCase(load), skip)


class StudyCase:
    """A loader and the study that it returned."""

    def __init__(self, load: Callable[[], Study]) -> None:
        self.load = load
        self.study = load()


def it_is_a_study(case: StudyCase) -> None:
    """The loader returns an `encodekit.Study` with participants and runs."""
    kind = type(case.study).__name__
    require(isinstance(case.study, Study), f"the loader returns a {kind}, expected a Study")
    require(case.study.participants, "it has no participant")
    require(case.study.runs, "it has no run")


def it_says_what_it_is(case: StudyCase) -> None:
    """It has a description: where the data are from, and under which terms."""
    require((case.study.description or "").strip(), "description is empty: say where it is from")
    require(case.study.describe().strip(), "describe() says nothing")


def every_sound_and_word_can_be_read(case: StudyCase) -> None:
    """Audio is finite and as long as it says; words lie within it, in order."""
    for stimulus in case.study.stimuli:
        told = f"stimulus {stimulus.name!r}"
        if stimulus.audio is not None:
            sound = stimulus.load_audio()
            require(sound.size and np.isfinite(sound).all(), f"{told}: its audio is not finite")
            require(np.ptp(sound) > 0, f"{told}: its audio is silent")
        if stimulus.words is not None:
            onsets = stimulus.words["onset"].to_numpy()
            require((np.diff(onsets) >= 0).all(), f"{told}: the onsets of words decrease")
            length = stimulus.audio_duration or np.inf
            require(onsets.max(initial=0) <= length, f"{told}: words begin after the audio ends")


def responses_keep_the_data_contract(case: StudyCase) -> None:
    """``responses()`` has a valid DataArray for each run, whose targets are the same in all."""
    runs = case.study.responses()
    validate(runs, "response")
    require(len(runs) == len(case.study.runs), "there is not one response per run")
    targets = [run.coords["target"].values for run in runs]
    require(all(np.array_equal(targets[0], other) for other in targets), "targets differ by run")
    owners = set(runs[0].coords["participant"].values.tolist())
    require(owners == set(case.study.participants), f"targets belong to {sorted(owners)}")


def responses_vary_and_are_there(case: StudyCase) -> None:
    """Each participant has values, and they are not all the same."""
    runs = case.study.responses()
    for person in case.study.participants:
        mine = runs[0].coords["participant"].values == person
        values = np.concatenate([run.values[:, mine] for run in runs])
        there = values[np.isfinite(values)]
        require(there.size, f"participant {person!r} has no value")
        require(np.ptp(there) > 0, f"all values of participant {person!r} are the same")


def repeats_average_to_the_responses(case: StudyCase) -> None:
    """The response to a run that was repeated is the mean of its repeats."""
    if not any((run.coords["n_repeats"].values > 1).any() for run in case.study.responses()):
        return
    try:
        repeats = case.study.repeats()
    except ValueError as error:
        raise AssertionError(
            f"responses say that they are means of repeats, and repeats() has none ({error}): give "
            "the repeats, or skip this check for the reason that means alone are published"
        ) from error
    validate(repeats, "repeats")
    whole = {str(run.coords["run"].values[0]): run for run in case.study.responses()}
    for name in dict.fromkeys(repeats.coords["run"].values.tolist()):
        rows = np.flatnonzero(repeats.coords["run"].values == name)
        mean = repeats.isel(time=rows).mean("repeat", skipna=True).values
        close = np.allclose(mean, whole[name].values, atol=1e-4, equal_nan=True)
        require(close, f"the mean of the repeats of run {name!r} is not its response")


def loading_twice_gives_the_same(case: StudyCase) -> None:
    """The loader gives the same sounds and responses again."""
    require(digest(case.load()) == digest(case.study), "a second study holds something else")


def saving_and_loading_gives_the_same(case: StudyCase) -> None:
    """``study.save`` and ``load_study`` keep sounds, words, responses and labels."""
    with tempfile.TemporaryDirectory() as folder:
        again = load_study(case.study.save(Path(folder) / "study"))
        for stimulus, other in zip(case.study.stimuli, again.stimuli, strict=True):
            kept = stimulus.content_hash == other.content_hash
            require(kept, f"saving changes the stimulus of run {stimulus.run_name!r}")
        for run, stored in zip(case.study.responses(), again.responses(), strict=True):
            require(digest(run.values) == digest(stored.values), "saving changes the responses")


STUDY_CHECKS = (
    it_is_a_study,
    it_says_what_it_is,
    every_sound_and_word_can_be_read,
    responses_keep_the_data_contract,
    responses_vary_and_are_there,
    repeats_average_to_the_responses,
    loading_twice_gives_the_same,
    saving_and_loading_gives_the_same,
)
