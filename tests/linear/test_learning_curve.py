import numpy as np
import pytest
import xarray as xr
from sklearn.base import BaseEstimator

import encodekit as ek
from encodekit.data import Stimulus, Study, make_response


class Counting(BaseEstimator):
    """Predict nothing; remember what it was fitted on."""

    def fit(self, X, y, validation=None):
        self.heard_ = [item.name for item in X]
        self.runs_ = [str(run.run.values[0]) for run in y]
        self.people_ = list(dict.fromkeys(y[0].participant.values.tolist()))
        self.validation_ = validation
        return self


@pytest.fixture(scope="module")
def study():
    rng = np.random.default_rng(0)
    stories = [Stimulus(f"s{k}", rng.standard_normal(160), 16, t_r=2.0) for k in range(7)]
    responses = {
        who: {
            s.name: make_response(
                rng.standard_normal((5, 2)), run=s.name, participant=who, tr_times=s.grid, t_r=2.0
            )
            for s in stories
        }
        for who in ("P1", "P2", "P3")
    }
    return Study("toy", stories, responses)


def test_runs_and_their_stimuli_are_drawn_together(study):
    seen = []
    table = ek.learning_curve(
        Counting(), study.stimuli, study.responses(), evaluate=lambda m: seen.append(m) or 1.0,
        sizes=[2, 7], random_state=0,
    )  # fmt: skip
    assert [model.heard_ for model in seen] == [model.runs_ for model in seen]
    assert table["size"].tolist() == [2] * 5 + [7]
    assert table["minutes"].tolist() == pytest.approx([2 * 10 / 60] * 5 + [7 * 10 / 60])
    assert table["members"].nunique() == 6
    assert table["members"].iloc[-1] == "s0,s1,s2,s3,s4,s5,s6"


def test_small_sizes_are_tried_in_every_way_and_not_twice(study):
    table = ek.learning_curve(
        Counting(), study.stimuli[:3], study.responses()[:3], evaluate=lambda m: 0.0
    )
    assert table.groupby("size")["members"].nunique().to_dict() == {1: 3, 2: 3, 3: 1}


def test_participants_can_be_what_grows(study):
    seen = []
    table = ek.learning_curve(
        Counting(), study.stimuli, study.responses(), vary="participants",
        evaluate=lambda m: seen.append(m.people_) or len(m.people_),
        fit_params={"validation": "v"},
    )  # fmt: skip
    assert table["n_participants"].tolist() == [1, 1, 1, 2, 2, 2, 3]
    assert (table["score"] == table["n_participants"]).all()
    assert [",".join(people) for people in seen] == table["members"].tolist()
    assert (table["n_runs"] == 7).all()


def test_the_same_seed_draws_the_same_subsets(study):
    def draw(seed):
        return ek.learning_curve(
            Counting(), study.stimuli, study.responses(), evaluate=lambda m: 0.0, sizes=[3],
            random_state=seed,
        ).members.tolist()  # fmt: skip

    assert draw(1) == draw(1) != draw(2)


def test_a_pipeline_is_scored_on_a_test_study_per_participant():
    def run(name, rng):
        x = rng.standard_normal((40, 2))
        y = np.c_[x @ [1, 1], x @ [1, -1]] + rng.standard_normal((40, 2))
        return x, y

    rng = np.random.default_rng(0)
    stories, features, responses = [], {}, {"P1": {}, "P2": {}}
    for name in "abcdef":
        stories.append(Stimulus(name, rng.standard_normal(1280), 16, t_r=2.0))
        features[name], y = run(name, rng)
        for k, who in enumerate(("P1", "P2")):
            responses[who][name] = make_response(
                y + k * 3 * rng.standard_normal(y.shape), run=name, participant=who,
                tr_times=stories[-1].grid, t_r=2.0,
            )  # fmt: skip
    train, test = Study("toy", stories, responses).split(test=["f"])

    class Known(BaseEstimator):
        def fit(self, X, y):
            self.ridge_ = ek.RidgeCV([1.0], cv=None).fit(self.features(X), y)
            return self

        def features(self, X):
            one = test.responses()[0] if X[0].name == "f" else None
            rows = [
                (train.responses()[train.runs.index(s.name)] if one is None else one)
                .isel(target=[0, 1])
                .copy(data=features[s.name])
                .rename(target="feature")
                .drop_vars(["feature", "participant", "n_repeats"])
                .assign_coords(name=("feature", ["x", "y"]))
                for s in X
            ]
            return xr.concat(rows, "time", coords="minimal", compat="override")

        def predict(self, X):
            return self.ridge_.predict(self.features(X))

    table = ek.learning_curve(
        Known(), train.stimuli, train.responses(), test=test, sizes=[3, 5], n_subsets=2,
        random_state=0,
    )  # fmt: skip
    assert table["participant"].tolist() == ["P1", "P2"] * 3
    means = table.groupby("participant").score.mean()
    assert means["P1"] > means["P2"] + 0.1
    whole = Known().fit(train.stimuli, train.responses())
    expected = ek.correlation(test.responses(), whole.predict(test.stimuli))
    np.testing.assert_allclose(
        table["score"].to_numpy()[-2:],
        [expected[:2].mean(), expected[2:].mean()],
    )
    with pytest.raises(ValueError, match="are the same stimulus 'f'"):
        ek.learning_curve(Known(), test.stimuli, test.responses(), test=test)


def test_normalised_scores_are_averaged_over_the_root_of_the_mean_squared_ceiling(study):
    scores = xr.DataArray(
        [0.5, 1.0],
        dims="target",
        coords={
            "participant": ("target", ["P1", "P1"]),
            "raw": ("target", [0.3, 0.1]),
            "ceiling_squared": ("target", [0.36, 0.01]),
        },
    )
    table = ek.learning_curve(
        Counting(), study.stimuli, study.responses(), evaluate=lambda m: scores, sizes=[7]
    )
    assert table.score.tolist() == pytest.approx([0.2 / np.sqrt(0.37 / 2)])


def test_what_cannot_be_drawn_or_scored_is_refused(study):
    def curve(**changes):
        given = {"evaluate": lambda m: 0.0} | changes
        return ek.learning_curve(Counting(), study.stimuli, study.responses(), **given)

    with pytest.raises(ValueError, match="unknown vary 'people'"):
        curve(vary="people")
    with pytest.raises(ValueError, match=r"sizes=\[8\], expected numbers from 1 to 7"):
        curve(sizes=[8])
    with pytest.raises(ValueError, match=r"give test= \(a study\) or evaluate="):
        curve(evaluate=None)
    with pytest.raises(ValueError, match="n_subsets=0, expected 1 or more"):
        curve(n_subsets=0)
    with pytest.raises(ValueError, match="7 responses but stimuli is a list of 2"):
        ek.learning_curve(Counting(), study.stimuli[:2], study.responses(), evaluate=lambda m: 0.0)


@pytest.fixture(scope="module")
def shared():
    """Five people at one place share a response to eight features, in four runs of 60 TRs."""
    rng = np.random.default_rng(3)
    weights = rng.standard_normal((8, 1)) * 0.2
    runs, features = [], []
    for name in "abcd":
        drive = rng.standard_normal((60, 8))
        values = drive @ weights + rng.standard_normal((60, 5))
        parts = [
            make_response(values[:, k : k + 1], run=name, participant=f"P{k}", region=["A"],
                          tr_times=2.0 * np.arange(60), t_r=2.0)
            for k in range(5)
        ]  # fmt: skip
        run = xr.concat(parts, "target", coords="minimal", compat="override", join="exact")
        time = {k: run.coords[k].variable for k in ("run", "stimulus", "tr", "seconds")}
        features.append(
            xr.DataArray(drive, dims=("time", "feature"), attrs={"t_r": 2.0, "sample_offset": 1.0},
                         coords={**time, "name": ("feature", list("abcdefgh"))})
        )  # fmt: skip
        runs.append(run)
    return features, runs


def test_a_larger_group_predicts_the_others_better_at_left_out_time(shared):
    features, runs = shared
    table = ek.learning_curve(
        ek.RidgeCV([1.0]), features, runs, vary="group", n_subsets=10, random_state=0
    )
    assert table["size"].unique().tolist() == [1, 2, 4]
    assert (table.n_participants == table["size"]).all()
    for _, row in table.iterrows():
        assert row.participant not in row.members.split(",")
    means = table.groupby("size").score.mean()
    assert means[4] > means[1] + 0.01
    members = ["P0", "P2"]
    row = table[(table.members == "P0,P2") & (table.participant == "P3")].iloc[0]
    mean = ek.group_mean(runs, participants=members)
    own = [run[:, [3]] for run in mean]
    predicted = ek.cross_val_predict(ek.RidgeCV([1.0]), features, own)
    assert row.score == pytest.approx(ek.correlation([r[:, [3]] for r in runs], predicted).item())


def test_a_group_is_scored_on_a_test_study_too(shared):
    features, runs = shared

    class Test:
        stimuli = features[3:]

        def responses(self, participants):
            return [runs[3][:, np.isin(runs[3].participant, participants)]]

    table = ek.learning_curve(
        ek.RidgeCV([1.0]), features[:3], runs[:3], vary="group", sizes=[4], test=Test()
    )
    assert len(table) == 5
    assert sorted(table.participant) == ["P0", "P1", "P2", "P3", "P4"]
    assert table.score.mean() > 0.3


def test_what_only_a_group_takes_is_refused_elsewhere(shared):
    features, runs = shared
    with pytest.raises(ValueError, match="cv= and purge= are for vary='group', not 'runs'"):
        ek.learning_curve(Counting(), features, runs, evaluate=len, purge="4s")
    for more in ({"test": object(), "purge": "4s"}, {"fit_params": {"groups": [1]}}):
        with pytest.raises(ValueError, match="by cv= and purge=, or on test= with fit_params="):
            ek.learning_curve(Counting(), runs, runs, vary="group", **more)
    with pytest.raises(ValueError, match="a group's others are scored by r: leave evaluate= out"):
        ek.learning_curve(Counting(), features, runs, vary="group", evaluate=len)
    with pytest.raises(ValueError, match=r"sizes=\[5\], expected numbers from 1 to 4"):
        ek.learning_curve(Counting(), features, runs, vary="group", sizes=[5])


def test_one_person_is_no_group(shared):
    features, runs = shared
    with pytest.raises(ValueError, match="the responses are of P0 alone: pass two people or more"):
        ek.learning_curve(ek.RidgeCV([1.0]), features, [run[:, :1] for run in runs], vary="group")
