"""What every estimator keeps: scikit-learn's contract, and what encodekit adds to it."""

import random
import re
import tempfile
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError

from encodekit.saving import load, save
from encodekit.saving._classes import class_key
from encodekit.testing._digest import digest, public
from encodekit.testing._run_checks import raises, require


class EstimatorCase(ABC):
    """An estimator, what it is fitted on, and what it then gives.

    Parameters
    ----------
    estimator : estimator
        Not fitted; it is cloned before use.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    @abstractmethod
    def fit(self, estimator: Any) -> Any:
        """Fit and return what fit returned."""

    @abstractmethod
    def output(self, estimator: Any) -> Any:
        """Return what a fitted estimator gives: its transform, or its prediction."""

    @abstractmethod
    def inputs(self) -> Any:
        """Return everything that fit and output are given."""

    def new(self) -> Any:
        """Return an unfitted copy."""
        return clone(self.estimator)

    @cached_property
    def fitted(self) -> Any:
        """A fitted copy, which no check changes."""
        return self.fit(self.new())

    @cached_property
    def given(self) -> Any:
        """What ``fitted`` gives."""
        return self.output(self.fitted)


def clone_has_equal_parameters(case: EstimatorCase) -> None:
    """``clone(e)`` has the parameters of ``e``, and making one computes nothing."""
    copy = case.new()
    ours, theirs = (e.get_params(deep=False) for e in (case.estimator, copy))
    changed = [name for name in ours if digest(ours[name]) != digest(theirs.get(name))]
    require(not changed, f"clone changes the parameters {changed}")
    more = sorted(set(vars(copy)) - set(theirs))
    require(not more, f"__init__ sets {more} beside its parameters: compute them in fit")


def parameters_are_kept_as_given(case: EstimatorCase) -> None:
    """``get_params`` gives the very objects that are attributes, and ``set_params`` sets them."""
    copy = case.new()
    params = copy.get_params(deep=False)
    changed = [name for name, value in params.items() if getattr(copy, name, None) is not value]
    require(not changed, f"get_params()[...] is not the attribute of that name: {changed}")
    require(copy.set_params(**params) is copy, "set_params does not return self")
    for name in params:
        marker = object()
        copy.set_params(**{name: marker})
        require(getattr(copy, name) is marker, f"set_params({name}=...) does not set it")


def init_keeps_every_argument(case: EstimatorCase) -> None:
    """Whatever is given to ``__init__`` comes back from ``get_params``, defaults or not."""
    cls, params = type(case.estimator), case.new().get_params(deep=False)
    lost = []
    for name in params:
        marker = object()
        made = cls(**{**params, name: marker})
        if made.get_params(deep=False).get(name) is not marker:
            lost.append(name)
    told = ", ".join(lost)
    require(not lost, f"__init__ takes {told} and does not keep it: self.{lost and lost[0]} = ...")


def repr_is_the_class_with_its_parameters(case: EstimatorCase) -> None:
    """``repr`` begins with the name of the class, before and after fit."""
    name = type(case.estimator).__name__
    for state, estimator in {"unfitted": case.new(), "fitted": case.fitted}.items():
        require(repr(estimator).startswith(f"{name}("), f"repr of the {state} one is {estimator!r}")


def docstring_describes_parameters_and_attributes(case: EstimatorCase) -> None:
    """Every parameter and every public fitted attribute is described in the class's docstring."""
    require((type(case.estimator).__doc__ or "").strip(), "the class has no docstring")
    words = _own_words(type(case.estimator))
    params = set(case.estimator.get_params(deep=False))
    # n_features_in_ and its like are scikit-learn's, and described there.
    learnt = {name for name in public(case.fitted) if name.endswith("_")} - {
        "n_features_in_",
        "feature_names_in_",
    }
    lacking = [name for name in sorted(params | learnt) if not re.search(rf"\b{name}\b", words)]
    require(not lacking, f"the docstring does not describe {lacking}")


def _own_words(cls: type) -> str:
    """Return the docstrings of a class and of its bases that are not scikit-learn's."""
    bases = [
        base for base in cls.__mro__ if not base.__module__.startswith(("sklearn.", "builtins"))
    ]
    return "\n".join(base.__doc__ or "" for base in bases)


def fit_returns_itself(case: EstimatorCase) -> None:
    """``fit`` returns the estimator, whose parameters stay as they were."""
    copy = case.new()
    before = digest(copy.get_params(deep=False))
    require(case.fit(copy) is copy, "fit does not return self")
    require(digest(copy.get_params(deep=False)) == before, "fit changes the parameters")


def fitting_twice_gives_the_same(case: EstimatorCase) -> None:
    """A second fit, of the same or of a new one, gives the same result."""
    again = case.new()
    case.fit(again)
    require(same(case.output(again), case.given), "a second estimator gives another result")
    case.fit(again)
    require(same(case.output(again), case.given), "the second fit gives another result")


def inputs_are_left_as_they_were(case: EstimatorCase) -> None:
    """Nothing that is passed in is changed."""
    before = digest(case.inputs())
    estimator = case.fit(case.new())
    require(digest(case.inputs()) == before, "fit changes what it is given")
    case.output(estimator)
    require(digest(case.inputs()) == before, "the data are changed by transform or predict")


def giving_an_output_changes_nothing(case: EstimatorCase) -> None:
    """``transform`` and ``predict`` leave the parameters and fitted attributes as they were."""
    estimator = case.fit(case.new())
    before = {name: digest(value) for name, value in public(estimator).items()}
    case.output(estimator)
    after = {name: digest(value) for name, value in public(estimator).items()}
    changed = sorted(name for name in before | after if before.get(name) != after.get(name))
    require(
        not changed,
        f"transform or predict sets the attributes {changed}: compute them in fit, or keep them "
        "in local variables",
    )


def global_randomness_is_left_alone(case: EstimatorCase) -> None:
    """The global generators neither decide the result nor are moved."""
    state = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        np.random.seed(1)  # noqa: NPY002
        random.seed(1)
        before = digest([np.random.get_state(), random.getstate()])  # noqa: NPY002
        estimator = case.fit(case.new())
        given = case.output(estimator)
        after = digest([np.random.get_state(), random.getstate()])  # noqa: NPY002
        require(after == before, "a global random generator was used: take random_state")
        require(same(given, case.given), "the result depends on a global random generator")
    finally:
        np.random.set_state(state[0])  # noqa: NPY002
        random.setstate(state[1])


def unfitted_says_so(case: EstimatorCase) -> None:
    """What learns in fit raises NotFittedError before it; what learns nothing gives the same."""
    copy = case.new()
    learns = set(public(case.fitted)) - set(public(copy))
    if not learns:
        require(same(case.output(copy), case.given), "it learns nothing, but fit changes results")
        return
    told = raises(NotFittedError, lambda: case.output(copy))
    require(told, "before fit there is no NotFittedError")


def saving_and_loading_gives_the_same(case: EstimatorCase) -> None:
    """``encodekit.save`` and ``encodekit.load`` keep parameters and results, without pickle."""
    cls = type(case.fitted)
    own = [] if class_key(cls) else [cls]
    with tempfile.TemporaryDirectory() as folder:
        save(case.fitted, Path(folder) / "model", classes=own)
        loaded = load(Path(folder) / "model", classes=own)
        ours, theirs = (e.get_params(deep=False) for e in (case.fitted, loaded))
        changed = [name for name in ours if not _equal(ours[name], theirs.get(name))]
        require(not changed, f"saving and loading changes the parameters {changed}")
        require(same(case.output(loaded), case.given), "the loaded one gives another result")


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, BaseEstimator):
        return repr(one) == repr(other)
    return digest(one) == digest(other)


def same(one: Any, other: Any) -> bool:
    """Tell whether two results are equal to the bit, labels included."""
    return digest(one) == digest(other)


ESTIMATOR_CHECKS = (
    clone_has_equal_parameters,
    parameters_are_kept_as_given,
    init_keeps_every_argument,
    repr_is_the_class_with_its_parameters,
    docstring_describes_parameters_and_attributes,
    fit_returns_itself,
    fitting_twice_gives_the_same,
    inputs_are_left_as_they_were,
    giving_an_output_changes_nothing,
    global_randomness_is_left_alone,
    unfitted_says_so,
    saving_and_loading_gives_the_same,
)
