"""Check a feature extractor: a list of stimuli in, rows on the grid of the TRs out."""

import tempfile
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from encodekit.data import Stimulus, Study, split_runs, validate
from encodekit.features import FeatureExtractor
from encodekit.testing._estimators import ESTIMATOR_CHECKS, EstimatorCase, same
from encodekit.testing._run_checks import Skip, raises, require, run_checks
from encodekit.testing._small_studies import small_study


def check_feature_extractor(
    extractor: Any, study: Study | None = None, *, skip: Skip | None = None
) -> tuple[str, ...]:
    """Check that a feature extractor keeps the contract of `encodekit.FeatureExtractor`.

    Parameters
    ----------
    extractor : FeatureExtractor
        An instance, not fitted; it is cloned.
    study : Study, optional
        Whose stimuli are read and, if the extractor learns, whose responses it is fitted on; they
        are read a dozen times. Default: two stories of `small_study`, 16 s each.
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
    >>> import encodekit as ek
    >>> len(check_feature_extractor(ek.WordRate())) > 15
    True
    """
    case = FeatureCase(extractor, study or small_study(n_stories=2, seconds=16.0))
    return run_checks(f"{extractor!r:.80}", FEATURE_CHECKS, case, skip)


class FeatureCase(EstimatorCase):
    """An extractor and the study that it reads."""

    def __init__(self, extractor: Any, study: Study) -> None:
        super().__init__(extractor)
        self.stimuli: list[Stimulus] = study.stimuli
        self.responses = study.responses()

    def fit(self, estimator: Any) -> Any:
        """Fit on all runs."""
        return estimator.fit(self.stimuli, self.responses)

    def output(self, estimator: Any) -> Any:
        """Return the rows of all runs."""
        return estimator.transform(self.stimuli)

    def inputs(self) -> Any:
        """Return the stimuli and the responses."""
        return self.stimuli, self.responses

    def rows_of(self, stimuli: Sequence[Stimulus]) -> list[xr.DataArray]:
        """Return the rows of these runs, one block per run."""
        return list(split_runs(self.fitted.transform(list(stimuli))))


def it_takes_what_every_extractor_takes(case: FeatureCase) -> None:
    """An ``__init__`` of its own still takes ``history``, ``resample`` and ``cache``."""
    if not isinstance(case.estimator, FeatureExtractor):
        return
    params = case.estimator.get_params(deep=False)
    lacking = [name for name in ("history", "resample", "cache") if name not in params]
    require(
        not lacking,
        f"__init__ does not take {', '.join(lacking)}, so users cannot set it: add each to "
        "__init__ and store it (or skip this check with the reason)",
    )


def rows_keep_the_data_contract(case: FeatureCase) -> None:
    """The result is a DataArray (time, feature) that `encodekit.validate` accepts, in float32."""
    validate(case.given, "features")
    require(case.given.dtype == np.float32, f"dtype is {case.given.dtype}, expected float32")
    require(np.isfinite(case.given.values).all(), "some features are NaN or infinite")


def rows_lie_on_the_grid_of_the_trs(case: FeatureCase) -> None:
    """Every TR of every run has one row at its onset; earlier rows have a negative ``tr``."""
    runs = [block.coords["run"].values[0] for block in split_runs(case.given)]
    names = [stimulus.run_name for stimulus in case.stimuli]
    require(runs == names, f"the runs are {runs}, expected {names}")
    for stimulus, block in zip(case.stimuli, split_runs(case.given), strict=True):
        trs = block.coords["tr"].values
        here = trs >= 0
        told = f"run {stimulus.run_name!r}"
        require(np.array_equal(trs[here], np.arange(stimulus.n_trs)), f"{told}: TRs are {trs}")
        require((np.diff(trs) == 1).all(), f"{told}: TRs do not follow each other: {trs}")
        apart = np.abs(block.coords["seconds"].values[here] - stimulus.grid).max()
        require(apart < 1e-6, f"{told}: `seconds` is {apart:g} s off the onsets of the TRs")
        heard = set(block.coords["stimulus"].values.tolist())
        require(heard == {stimulus.name}, f"{told}: `stimulus` is {heard}")


def features_have_names_of_their_own(case: FeatureCase) -> None:
    """Each feature is told apart by ``name``, with its ``layer`` or ``band`` if there are any."""
    coords = case.given.coords
    require("name" in coords, "the features have no coordinate `name`")
    labels = [coords[key].values for key in ("name", "layer", "band") if key in coords]
    keys = list(zip(*(np.asarray(label).tolist() for label in labels), strict=True))
    require(len(set(keys)) == len(keys), "two features have the same name, layer and band")


def the_order_of_runs_does_not_matter(case: FeatureCase) -> None:
    """Runs given in another order have the same rows."""
    ours = list(split_runs(case.given))
    theirs = case.rows_of(case.stimuli[::-1])[::-1]
    changed = [_run(a) for a, b in zip(ours, theirs, strict=True) if not _close(a, b)]
    require(not changed, f"the rows of {changed} depend on the order of the runs")


def a_run_alone_has_the_same_rows(case: FeatureCase) -> None:
    """What other runs are transformed beside it changes nothing in a run."""
    together = list(split_runs(case.given))
    alone = [case.rows_of([stimulus])[0] for stimulus in case.stimuli]
    changed = [_run(a) for a, b in zip(together, alone, strict=True) if not _close(a, b)]
    require(not changed, f"the rows of {changed} depend on the runs beside them")


def the_rows_of_the_trs_do_not_depend_on_the_history(case: FeatureCase) -> None:
    """``history`` adds rows before the first TR and changes none after it."""
    if "history" not in case.fitted.get_params(deep=False):
        return
    kept = case.fitted.history
    try:
        case.fitted.history = 0.0
        bare = case.output(case.fitted)
    finally:
        case.fitted.history = kept
    whole = case.given.isel(time=np.flatnonzero(case.given.coords["tr"].values >= 0))
    bare = bare.isel(time=np.flatnonzero(bare.coords["tr"].values >= 0))
    require(_close(whole, bare), "the rows of the TRs change with `history`")


def the_cache_gives_the_same(case: FeatureCase) -> None:
    """Rows are the same without a cache, when they are written to one, and when read again."""
    if "cache" not in case.fitted.get_params(deep=False):
        return
    kept = case.fitted.cache
    try:
        with tempfile.TemporaryDirectory() as folder:
            case.fitted.cache = None
            bare = case.output(case.fitted)
            case.fitted.cache = folder
            written, read = case.output(case.fitted), case.output(case.fitted)
    finally:
        case.fitted.cache = kept
    require(same(written, bare), "with a cache the rows differ from those without")
    require(same(read, bare), "the rows read from the cache differ from those that were written")


def what_is_no_list_of_stimuli_is_refused(case: FeatureCase) -> None:
    """A bare stimulus, an empty list and two runs of one name raise and say what to pass."""
    first = case.stimuli[0]
    given = {"a bare Stimulus": first, "an empty list": [], "two of one name": [first, first]}
    for what, stimuli in given.items():
        told = raises((TypeError, ValueError), partial(case.fitted.transform, stimuli))
        require(told, f"{what} is not refused")


def _run(block: xr.DataArray) -> str:
    return str(block.coords["run"].values[0])


def _close(one: xr.DataArray, other: xr.DataArray) -> bool:
    """Tell whether rows agree to rounding: batches of another make-up sum in another order."""
    if one.shape != other.shape or not same(one.coords["tr"].values, other.coords["tr"].values):
        return False
    scale = float(np.abs(one.values).max(initial=1e-9))
    return bool(np.allclose(one.values, other.values, rtol=1e-4, atol=1e-5 * scale))


FEATURE_CHECKS = (
    *ESTIMATOR_CHECKS,
    it_takes_what_every_extractor_takes,
    rows_keep_the_data_contract,
    rows_lie_on_the_grid_of_the_trs,
    features_have_names_of_their_own,
    the_order_of_runs_does_not_matter,
    a_run_alone_has_the_same_rows,
    the_rows_of_the_trs_do_not_depend_on_the_history,
    the_cache_gives_the_same,
    what_is_no_list_of_stimuli_is_refused,
)
