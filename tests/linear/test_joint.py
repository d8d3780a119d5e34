"""Runs of several TRs: each step does with all of them what it does with each alone."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import RunList, concat_runs, make_response, split_runs

LENGTHS = {1.5: (36, 44), 2.0: (30, 40)}


def hear(name, t_r, n_trs, seed):
    sound = np.random.default_rng(seed).standard_normal(int((12 + n_trs * t_r) * 40))
    onsets = 10.0 + t_r * np.arange(n_trs)
    words = pd.DataFrame({"word": list("abcdefgh"), "onset": 4.0 * np.arange(1, 9) + 0.3 * seed})
    return ek.Stimulus(name, sound.astype("f4"), 40, tr_times=onsets, t_r=t_r,
                       words=words.assign(duration=0.2))  # fmt: skip


@pytest.fixture
def heard():
    """Two stories at each TR, the quick ones first."""
    return {
        t_r: [hear(f"{t_r}-{k}", t_r, n, seed=10 * k + int(t_r)) for k, n in enumerate(lengths)]
        for t_r, lengths in LENGTHS.items()
    }


def respond(stimuli, person, seed):
    rng = np.random.default_rng(seed)
    return RunList(
        make_response(rng.standard_normal((s.n_trs, 4)).astype("f4"), run=s.run_name,
                      participant=person, tr_times=s.grid, t_r=s.t_r)
        for s in stimuli
    )  # fmt: skip


def each_alone(step, halves):
    return [run for half in halves.values() for run in split_runs(step(half))]


DELAYS = ek.Delayer(seconds=[0, 2, 3.5, 6])


@pytest.mark.parametrize(
    "steps",
    [
        [DELAYS],
        [ek.Delayer()],
        [ek.Delayer(delays=[0])],
        [DELAYS, ek.RunScaler()],
        [ek.CanonicalHRF()],
        [ek.CanonicalHRF("glover", length=20), ek.RunScaler()],
    ],
    ids=lambda steps: "-".join(type(step).__name__ for step in steps),
)
def test_features_of_both_are_those_of_each_alone(heard, extractor, steps):
    extractor.history = 32.0

    def extract(stimuli):
        rows = extractor.transform(stimuli)
        for step in steps:
            rows = step.fit(rows).transform(rows)
        return rows

    together = extract([*heard[1.5], *heard[2.0]])
    assert together.t_r.values.tolist() == [1.5] * 80 + [2.0] * 70
    for mine, theirs in zip(each_alone(extract, heard), split_runs(together), strict=True):
        xr.testing.assert_identical(theirs, mine)


def test_a_delay_of_seconds_is_the_same_in_every_run(heard, extractor):
    together = DELAYS.transform(extractor.transform([*heard[1.5], *heard[2.0]]))
    assert together.delay.values.tolist() == np.repeat([0, 2, 3.5, 6], 5).tolist()


def test_an_impulse_lands_where_the_hand_says_at_both_rates():
    """A word at 16.1 s, delayed by 6 s, is heard 22.1 s in: TR 8 of 10 + 1.5 k, 6 of 10 + 2 k."""
    words = pd.DataFrame({"word": ["now"], "onset": [16.1], "duration": [0.2]})
    stories = [
        ek.Stimulus(name, words=words, t_r=t_r, tr_times=10 + t_r * np.arange(20))
        for name, t_r in (("quick", 1.5), ("slow", 2.0))
    ]
    with pytest.warns(UserWarning, match="WordRate counts per TR, and the runs have TRs of 1.5 and "
                      "2 s.*z-score every run"):  # fmt: skip
        rows = ek.WordRate(resample="sum").transform(stories)
    quick, slow = split_runs(ek.Delayer(seconds=[6]).transform(rows))
    assert np.flatnonzero(quick.values).tolist() == [8]
    assert np.flatnonzero(slow.values).tolist() == [6]


def test_delays_in_trs_are_refused_where_they_mean_other_seconds(heard, extractor):
    rows = extractor.transform([*heard[1.5], *heard[2.0]])
    with pytest.raises(ValueError, match=r"delays=\[1, 2\]\) counts TRs, but the runs have TRs of "
                       r"1.5 and 2 s.*seconds=\[2.0, 4.0\]"):  # fmt: skip
        ek.Delayer([1, 2]).transform(rows)


def test_drifts_and_confounds_are_taken_out_at_each_runs_own_tr(heard):
    runs = {t_r: respond(stimuli, "P1", 3) for t_r, stimuli in heard.items()}
    motion = {s.run_name: np.random.default_rng(0).standard_normal((s.n_trs, 2))
              for stimuli in heard.values() for s in stimuli}  # fmt: skip
    remover = ek.ConfoundRemover(high_pass=1 / 40)
    together = remover.transform(concat_runs([*runs[1.5], *runs[2.0]]), confounds=motion)
    alone = [remover.transform(concat_runs(half), confounds=motion) for half in runs.values()]
    for mine, theirs in zip(
        [run for half in alone for run in split_runs(half)], split_runs(together), strict=True
    ):
        xr.testing.assert_identical(theirs, mine)
    other = remover.transform(
        concat_runs([*runs[1.5], *runs[2.0]]).drop_vars("t_r").assign_attrs(t_r=2.0), motion
    )
    assert not np.allclose(other.values[:80], together.values[:80])


@pytest.fixture
def study(heard):
    """Q heard the quick stories, S the slow ones, B both."""
    quick, slow = heard[1.5], heard[2.0]
    return ek.Study("joint", [*quick, *slow], {
        "Q": respond(quick, "Q", 1), "S": respond(slow, "S", 2),
        "B": respond([*quick, *slow], "B", 5),
    })  # fmt: skip


@pytest.fixture
def model(extractor):
    return make_pipeline(
        extractor, ek.Delayer(seconds=[2, 4]), ek.RunScaler(), ek.RidgeCV(np.logspace(-1, 3, 5))
    )


def test_a_fit_of_both_is_that_of_each_for_who_heard_one(study, heard, model):
    model.fit(study.stimuli, study.responses())
    for person, t_r in (("Q", 1.5), ("S", 2.0)):
        alone = study.select(heard_names(heard[t_r]), [person])
        alpha = model[-1].best_alphas_
        mine = ek.RidgeCV(np.logspace(-1, 3, 5))
        mine.fit(model[:-1].transform(alone.stimuli), alone.responses())
        targets = mine.coef_.target.values
        np.testing.assert_allclose(alpha.sel(target=targets), mine.best_alphas_)
        np.testing.assert_allclose(
            model[-1].coef_.sel(target=targets), mine.coef_, rtol=1e-4, atol=1e-6
        )


def heard_names(stimuli):
    return [stimulus.run_name for stimulus in stimuli]


def test_who_heard_both_is_fitted_on_all_rows(study, model):
    model.fit(study.stimuli, study.responses(["B"]))
    rows = model[:-1].transform(study.stimuli)
    plain = ek.RidgeCV(np.logspace(-1, 3, 5)).fit(
        rows.values, concat_runs(study.responses(["B"])).values, runs=rows.run.values
    )
    np.testing.assert_allclose(model[-1].coef_.values, plain.coef_, rtol=1e-4, atol=1e-6)


def test_predictions_carry_the_trs_and_are_scored(study, model):
    model.fit(study.stimuli, study.responses())
    predicted = model.predict(study.stimuli)
    assert predicted.t_r.values.tolist() == [1.5] * 80 + [2.0] * 70
    scores = ek.correlation(study.responses(), predicted)
    assert (scores.values > 0.2).all()
    split = ek.cross_val_predict(model, study.stimuli, study.responses(["B"]))
    assert split.t_r.values.tolist() == [1.5] * 80 + [2.0] * 70


def test_a_saved_model_predicts_the_same(study, model, tmp_path):
    ridge = model[-1].fit(model[:-1].transform(study.stimuli), study.responses())
    again = ek.load(ek.save(ridge, tmp_path / "model"))
    rows = model[:-1].transform(study.stimuli)
    xr.testing.assert_identical(again.predict(rows), ridge.predict(rows))


def test_a_wrong_tr_is_named_with_its_run(study, model):
    rows = model[:-1].transform(study.stimuli)
    wrong = [run.assign_attrs(t_r=2.0) for run in study.responses()]
    with pytest.raises(ValueError, match=r"TRs of 1.5 s and y of 2.0 s in run '1.5-0' and 1 more"):
        model[-1].fit(rows, wrong)
