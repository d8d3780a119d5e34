import numpy as np
import pytest
import xarray as xr
from sklearn.base import BaseEstimator

import encodekit as ek
from encodekit.data import Stimulus, Study, concat_runs, make_response

STORIES = ("fit", "known", "new")
PEOPLE = ("P1", "P2", "P3")


def toy_study(n_repeats=None):
    rng = np.random.default_rng(0)
    stories = [Stimulus(name, rng.standard_normal(1600), 16, t_r=2.0) for name in STORIES]
    responses = {
        who: {
            s.name: make_response(
                rng.standard_normal((50, 2)), run=s.name, participant=who, tr_times=s.grid,
                t_r=2.0, n_repeats=(n_repeats or {}).get(s.name),
            )
            for s in stories
        }
        for who in PEOPLE
    }  # fmt: skip
    return Study("toy", stories, responses)


class Cheating(BaseEstimator):
    """Know the answer where tuning had seen the person and the story; guess half elsewhere."""

    def __init__(self, study, noise):
        self.study, self.noise = study, noise

    def fit(self, X, y):
        self.fitted_on_ = [run.run.values[0] for run in y]
        return self

    def predict(self, X):
        whole = concat_runs(self.study.select([s.name for s in X]).responses())
        seen_story = X[0].name == "known"
        seen_person = np.isin(whole.participant.values, ["P1"])
        noise = np.where(seen_person, 0.0, 1.0) + (0.0 if seen_story else 1.0)
        rng = np.random.default_rng(1)
        return whole + self.noise * noise * xr.DataArray(
            rng.standard_normal(whole.shape), dims=whole.dims
        )


def grid(study, **changes):
    given = {
        "fit": ["fit"],
        "seen_stories": ["known"],
        "unseen_stories": ["new"],
        "seen_participants": ["P1"],
    } | changes
    return ek.generalization_grid(Cheating(study, 1.0), study, **given)


def test_each_person_is_scored_on_stories_that_were_seen_and_on_others():
    table = grid(toy_study())
    assert table.participant.tolist() == [*PEOPLE, *PEOPLE]
    assert table.participants.tolist() == ["seen", "unseen", "unseen"] * 2
    assert table.stories.tolist() == ["unseen"] * 3 + ["seen"] * 3
    cells = table.groupby(["participants", "stories"]).score.mean()
    assert cells["seen", "seen"] == pytest.approx(1)
    assert cells["seen", "seen"] > cells["unseen", "seen"] > cells["unseen", "unseen"]


def test_a_grid_without_an_unseen_person_or_with_shared_stories_is_refused():
    study = toy_study()
    with pytest.raises(ValueError, match="nobody is left to be unseen"):
        grid(study, seen_participants=PEOPLE)
    with pytest.raises(ValueError, match=r"'known' \(fit\) and 'known' \(seen\)"):
        grid(study, fit=["fit", "known"])


def test_stories_heard_more_often_are_not_compared_with_stories_heard_once():
    with pytest.raises(ValueError, match=r"means of \[1\] repeats and unseen ones of \[5\]"):
        grid(toy_study({"new": 5}))
