import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import split_runs

ALPHAS = np.logspace(0, 4, 5)


def test_every_run_is_predicted_by_a_model_that_never_saw_it(cohort, extractor):
    stories, runs = cohort(n_stories=3)
    model = make_pipeline(extractor, ek.Delayer(), ek.RidgeCV(ALPHAS))
    predicted = ek.cross_val_predict(model, stories, runs)
    for k, run in enumerate(split_runs(predicted)):
        others = [i for i in range(3) if i != k]
        model.fit([stories[i] for i in others], [runs[i] for i in others])
        assert np.allclose(run, model.predict([stories[k]]))
        assert run.coords["run"].values[0] == stories[k].run_name
    assert (ek.correlation(runs, predicted) > 0.3).all()


def test_labels_and_the_order_of_the_runs_are_kept(labelled):
    X, Y = labelled(n_stories=7)
    predicted = ek.cross_val_predict(ek.RidgeCV(ALPHAS), X, Y)
    for name in ("run", "stimulus", "tr", "seconds", "target", "region"):
        assert predicted[name].values.tolist() == Y[name].values.tolist()
    assert "training_mean" not in predicted.coords


def test_a_story_heard_twice_is_never_predicted_from_itself(labelled):
    X, Y = labelled(n_stories=3)
    heard = ["story-0", "story-1", "story-0"]
    by_tr = np.concatenate([[h] * n for h, n in zip(heard, (30, 40, 35), strict=True)])
    X, Y = (rows.assign_coords(stimulus=("time", by_tr)) for rows in (X, Y))
    ridge = ek.RidgeCV(ALPHAS, cv=KFold(3))
    first = split_runs(ek.cross_val_predict(ridge, X, Y))[0]
    middle = X.run.values == "story-1"
    expected = ridge.fit(X.isel(time=middle), Y.isel(time=middle)).predict(X.isel(time=slice(30)))
    assert np.allclose(first, expected)
    told = ek.cross_val_predict(ridge, X, Y, groups=heard)
    assert np.allclose(split_runs(told)[0], expected)


def test_any_splitter_over_runs_is_taken(labelled):
    X, Y = labelled()
    by_group = ek.cross_val_predict(ek.RidgeCV(ALPHAS), X, Y, cv=GroupKFold(2))
    by_pairs = ek.cross_val_predict(ek.RidgeCV(ALPHAS), split_runs(X), Y, cv=[([0, 1], [2, 3])])
    assert by_group.sizes["time"] == Y.sizes["time"]
    assert list(dict.fromkeys(by_pairs.run.values.tolist())) == ["story-2", "story-3"]


def test_a_run_that_is_held_out_twice_is_refused(labelled):
    X, Y = labelled()
    twice = [([0, 1], [2, 3]), ([0, 2], [1, 3])]
    with pytest.raises(ValueError, match="run 'story-3' is held out by more than one fold"):
        ek.cross_val_predict(ek.RidgeCV(ALPHAS), X, Y, cv=twice)
    with pytest.raises(ValueError, match="shuffles single TRs"):
        ek.cross_val_predict(ek.RidgeCV(ALPHAS), X, Y, cv=ShuffleSplit(3))


def test_other_numbers_of_runs_are_refused(cohort, extractor):
    stories, runs = cohort()
    with pytest.raises(ValueError, match="X has 4 runs and y 3: pass the response of each run"):
        ek.cross_val_predict(make_pipeline(extractor, ek.RidgeCV()), stories, runs[:3])
