"""evaluate, Result, audit and methods, on a study whose responses follow the loudness."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.cli import main
from encodekit.data import Study, make_response
from encodekit.reports import Decision, fitted_runs, heard_in

# One minute heard twice says little of a ceiling, and what is tested here is not its size; runs are
# scored from their beginning.
pytestmark = [
    pytest.mark.filterwarnings("ignore:by_region. the noise ceiling cannot carry:UserWarning"),
    pytest.mark.filterwarnings("ignore:permutation_test. .* after their sound begins:UserWarning"),
]

RATE, T_R, N_TRS = 100, 2.0, 60
STORIES = ("a", "b", "c", "d")
PEOPLE = ("P1", "P2")


class Loudness(ek.FeatureExtractor):
    """Power of the sound in pieces of a second, and its square."""

    resample = "mean"

    def __init__(self, square=False):
        self.square = square

    def frames(self, stimulus):
        power = stimulus.load_audio(RATE).reshape(-1, RATE).var(axis=1)
        values = np.c_[power, power**2] if self.square else power[:, None]
        seconds = np.arange(power.size) + 0.5
        return xr.DataArray(values, dims=("time", "feature"), coords={"seconds": ("time", seconds)})


@pytest.fixture(scope="module")
def study():
    rng = np.random.default_rng(0)
    stories, responses = [], {who: {} for who in PEOPLE}
    for name in STORIES:
        loud = rng.uniform(0.1, 1, int(N_TRS * T_R))
        audio = np.repeat(loud, RATE) * rng.standard_normal(loud.size * RATE)
        stories.append(ek.Stimulus(name, audio.astype("f4"), RATE, t_r=T_R))
        power = audio.reshape(N_TRS, -1).var(axis=1)
        heard = np.r_[0, 0, power[:-2]]
        for who in PEOPLE:
            signal = heard[None, :, None] / heard.std() * [1.0, 0.7, 0.0]
            n_repeats = 4 if name == "d" else 1
            values = signal + rng.standard_normal((n_repeats, N_TRS, 3))
            responses[who][name] = make_response(
                values if n_repeats > 1 else values[0],
                run=name,
                participant=who,
                tr_times=stories[-1].grid,
                t_r=T_R,
                hemisphere=["left", "left", "right"],
                vertex=[1, 2, 3],
                region=["A1", "A4", "V1"],
                space="fsaverage5",
            )
    return Study("loud", stories, responses)


def pipeline(**parameters):
    return make_pipeline(
        Loudness(**parameters),
        ek.Delayer(seconds=[2, 4, 6]),
        ek.RunScaler(),
        ek.RidgeCV(alphas=[0.001, 0.1, 1.0, 10.0, 100.0]),
    )


@pytest.fixture(scope="module")
def parts(study):
    return study.split(fit=["a", "b", "c"], test=["d"])


@pytest.fixture(scope="module")
def fitted(parts):
    return {
        name: pipeline(square=square).fit(parts.fit.stimuli, parts.fit.responses())
        for name, square in (("loudness", False), ("and its square", True))
    }


@pytest.fixture(scope="module")
def result(fitted, parts):
    return ek.evaluate(
        fitted,
        parts.test,
        fit=parts.fit,
        regions={"hearing": ["A1", "A4"]},
        permutations=19,
        by=["participant", "region"],
        tables={
            "layers": pd.DataFrame({"layer": [1, 2], "score": [0.1, np.nan], "chosen": ["", "x"]})
        },
    )


@pytest.mark.filterwarnings("ignore:.*permutations:UserWarning")
def test_scores_are_those_of_the_pipeline_done_by_hand(result, fitted, parts):
    predicted = fitted["loudness"].predict(parts.test.stimuli)
    expected = ek.correlation(parts.test.responses(), predicted)
    np.testing.assert_allclose(result.scores.sel(model="loudness"), expected)
    ceiling = ek.noise_ceiling(parts.test.repeats())
    np.testing.assert_allclose(result.of("loudness"), ek.normalise(expected, ceiling))


def test_regions_are_fixed_and_every_target_stays(result):
    table = result.table("participant").set_index(["model", "group", "participant"])
    assert result.groups == ["hearing"]
    assert table.n_targets["loudness", "all", "P1"] == 3
    one = result.of("loudness")
    raw, ceiling = one.raw.values[:2].mean(), one.ceiling_squared.values[:2].mean() ** 0.5
    assert table.score["loudness", "hearing", "P1"] == pytest.approx(raw / ceiling)


@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_a_saved_result_comes_back_whole(result, tmp_path, ending):
    back = ek.Result.load(result.save(tmp_path / f"result.{ending}"))
    xr.testing.assert_equal(back.scores, result.scores)
    assert back.scores.attrs == result.scores.attrs
    assert back.scores.name == result.scores.name
    for name in ("ceiling", "tests", "regions"):
        xr.testing.assert_equal(getattr(back, name), getattr(result, name))
    pd.testing.assert_frame_equal(back.tables["layers"], result.tables["layers"], check_dtype=False)
    assert back.decisions == result.decisions
    assert back.provenance == json.loads(json.dumps(result.provenance))
    pd.testing.assert_frame_equal(back.table(), result.table())


def test_what_is_no_saved_result_is_refused(result, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"unknown ending of a result '.csv'"):
        result.save(tmp_path / "result.csv")
    with pytest.raises(FileNotFoundError, match="there is no result"):
        ek.Result.load(tmp_path / "result.nc")
    (tmp_path / "other.nc").write_bytes(bytes(xr.Dataset({"x": 1.0}).to_netcdf(engine="scipy")))
    with pytest.raises(ValueError, match="is not a saved result"):
        ek.Result.load(tmp_path / "other.nc")
    with monkeypatch.context() as later:
        later.setattr("encodekit.reports._result.SCHEMA", 99)
        result.save(tmp_path / "newer.nc")
    with pytest.raises(ValueError, match="has schema 99, this encodekit knows 2"):
        ek.Result.load(tmp_path / "newer.nc")


def test_parts_of_other_targets_and_unknown_models_are_refused(result):
    with pytest.raises(ValueError, match=r"a Result has scores \(model, target\)"):
        replace(result, scores=result.scores[0])
    with pytest.raises(ValueError, match="ceiling has other targets than the scores"):
        replace(result, ceiling=result.ceiling.isel(target=slice(None, None, -1)))
    with pytest.raises(ValueError, match="unknown model 'loudnes': did you mean 'loudness'"):
        result.of("loudnes")


def test_regions_are_refused_before_anything_is_predicted(parts):
    class Never:
        def predict(self, stimuli):
            raise AssertionError("predicted")

    with pytest.raises(ValueError, match="unknown region 'A2'"):
        ek.evaluate(Never(), parts.test, regions={"hearing": ["A2"]})
    with pytest.raises(ValueError, match="are the same stimulus 'd'"):
        ek.evaluate(Never(), parts.test, fit=parts.test)


def test_what_is_no_study_is_refused(fitted, parts):
    with pytest.raises(TypeError, match=r"evaluate takes the study.*got a list: pass a part of"):
        ek.evaluate(fitted["loudness"], parts.test.stimuli)


def test_models_of_other_targets_are_refused(fitted, parts):
    alone = pipeline().fit(parts.fit.stimuli, parts.fit.responses(participants=["P1"]))
    with pytest.raises(ValueError, match="model 'alone' predicts other targets than 'loudness'"):
        ek.evaluate({"loudness": fitted["loudness"], "alone": alone}, parts.test)


def test_without_repeats_there_is_no_ceiling(fitted, study):
    with pytest.warns(ek.FittedOnWarning):
        found = ek.evaluate(fitted["loudness"], study.select(["a"]))
    assert found.ceiling is None
    assert found.models == ["Pipeline"]
    assert "raw" not in found.of().coords


def test_targets_are_scored_that_the_model_was_fitted_on(parts):
    heard = ek.RegionSelector(regions=["A1", "A4"])
    model = pipeline().fit(parts.fit.stimuli, parts.fit.responses(regions=heard))
    found = ek.evaluate(model, parts.test, targets=heard)
    expected = ek.correlation(
        parts.test.responses(regions=heard), model.predict(parts.test.stimuli)
    )
    np.testing.assert_allclose(found.scores[0], expected)
    ceiling = ek.noise_ceiling(parts.test.repeats(regions=heard))
    np.testing.assert_allclose(found.of(), ek.normalise(expected, ceiling))
    row = ek.audit(found).set_index("what").loc["regions"]
    assert row["value"] == repr(heard)
    assert row["how"] == "passed as targets=, before anything was predicted"


def test_any_metric_scores_and_one_that_no_ceiling_divides_has_none(fitted, parts):
    model = fitted["loudness"]
    found = ek.evaluate(model, parts.test, metric="r2", ceiling=False)
    expected = ek.r2(parts.test.responses(), model.predict(parts.test.stimuli))
    np.testing.assert_allclose(found.of(), expected)
    with pytest.raises(ValueError, match="scores are R2 but a ceiling is the highest r"):
        ek.evaluate(model, parts.test, metric="r2")
    with pytest.raises(ValueError, match="unknown metric 'r3': known: 'correlation', 'r2'"):
        ek.evaluate(model, parts.test, metric="r3")
    text = ek.methods(found)
    assert "The score of a target is `r2`" in text
    assert "Pearson" not in text


def test_a_ceiling_that_is_required_and_is_not_there_is_told(fitted, study):
    with (
        pytest.warns(ek.FittedOnWarning),
        pytest.raises(ValueError, match="repeats and noise ceilings need one"),
    ):
        ek.evaluate(fitted["loudness"], study.select(["a"]), ceiling="required")


class Layered(Loudness):
    """The power and its square, as the layers 1 and 2."""

    def frames(self, stimulus):
        frames = Loudness(square=True).frames(stimulus)
        return frames.assign_coords(name=("feature", ["p", "q"]), layer=("feature", [1, 2]))


def test_a_chosen_layer_leaves_its_profile(parts, fitted):
    ridge = ek.RidgeCV(alphas=[0.001, 0.1, 1.0, 10.0, 100.0])
    steps = (Layered(), ek.Delayer(seconds=[2, 4, 6]), ek.RunScaler())
    models = {
        by: make_pipeline(*steps, ek.LayerSelector(ridge, by=by)).fit(
            parts.fit.stimuli, parts.fit.responses()
        )
        for by in ("all", "target")
    }
    layers = ek.evaluate({**models, "none": fitted["loudness"]}, parts.test).tables["layers"]
    assert list(layers) == ["layer", "score", "model", "chosen"]
    assert layers["model"].tolist() == ["all", "all", "target", "target"]
    for by, model in models.items():
        own = layers[layers["model"] == by]
        selector = model[-1]
        np.testing.assert_allclose(own.score, selector.layer_scores_.mean("target"))
        assert own.layer[own.chosen].tolist() == list(np.unique(selector.best_layer_))
    given = pd.DataFrame({"layer": [1], "score": [0.5]})
    kept = ek.evaluate(models["all"], parts.test, tables={"layers": given}).tables["layers"]
    pd.testing.assert_frame_equal(kept, given)


def test_every_decision_has_the_data_that_made_it_and_none_is_the_test(result):
    table = ek.audit(result).set_index("what")
    assert table.runs["alpha (loudness)"] == "a, b, c"
    assert table.participants["alpha (loudness)"] == "P1, P2"
    assert table.runs["ceiling"] == "d"
    assert set(table.verdict) == {"ok"}
    assert {"weights (loudness)", "regions", "ceiling"} <= set(table.index)


def test_what_the_test_data_chose_is_told(result, parts):
    leaks = [
        Decision("layer", "8", "best on the test", "chosen", heard_in(parts.test), ("P9",)),
        Decision("epoch", "3", "unknown", "chosen", None),
    ]
    table = ek.audit(result.adding(*leaks)).set_index("what")
    assert table.verdict["layer"] == "TEST DATA"
    assert table.why["layer"] == "d is scored too"
    assert table.verdict["epoch"] == "unknown"


def test_the_same_audio_under_another_name_is_still_test_data(result, parts):
    sha = parts.test.stimuli[0].audio_hash
    hidden = Decision("alpha", "10", "", "chosen", {"another name": sha})
    table = ek.audit(result.adding(hidden))
    assert table.verdict.iloc[-1] == "TEST DATA"


def test_regions_that_come_after_the_scores_are_marked(result):
    late = result.with_regions("seeing", ["V1"])
    assert late.groups == ["hearing", "seeing"]
    row = ek.audit(late).iloc[-1]
    assert (row.verdict, row.why) == ("TEST DATA", "taken after the scores were there")
    assert (late.table().query("group == 'seeing'").n_targets == 1).all()


def test_without_the_study_of_the_fit_the_audit_asks_the_model(fitted, parts):
    table = ek.audit(ek.evaluate(fitted["loudness"], parts.test)).set_index("what")
    assert table.verdict["alpha"] == "ok"
    assert table.runs["alpha"] == "a, b, c"
    assert table.participants["alpha"] == "P1, P2"


def test_a_model_of_features_that_do_not_say_what_was_heard_is_not_guessed_about(fitted, parts):
    model = clone(fitted["loudness"])
    features = model[:-1].transform(parts.fit.stimuli)
    del features.attrs["heard"]
    model[-1].fit(features, parts.fit.responses())
    table = ek.audit(ek.evaluate(model, parts.test)).set_index("what")
    assert table.verdict["alpha"] == "unknown"
    assert table.runs["alpha"] == "not recorded"


def test_scoring_a_run_of_the_fit_warns_by_name_and_the_audit_is_red(fitted, study, tmp_path):
    model = fitted["loudness"]
    ek.save(model, tmp_path / "model", classes=[Loudness])
    for one in (model, ek.load(tmp_path / "model", classes=[Loudness])):
        with pytest.warns(ek.FittedOnWarning, match=r"on 2 of the runs .* \('a', 'b'\)") as caught:
            result = ek.evaluate(one, study.select(["a", "b", "d"]))
        assert caught[0].filename == __file__
        assert ek.audit(result).set_index("what").verdict["weights"] == "TEST DATA"


def test_a_layer_selector_knows_what_its_ridges_were_fitted_on(parts):
    spaces = ek.FeatureSpaces([("one", Loudness()), ("two", Loudness())])
    model = make_pipeline(spaces, ek.Delayer(delays=[1]), ek.RunScaler(), ek.StackedRidge())
    model.fit(parts.fit.stimuli, parts.fit.responses())
    heard = {stimulus.audio_hash: stimulus.run_name for stimulus in parts.fit.stimuli}
    assert fitted_runs(model) == heard


def test_segments_of_one_run_are_known_apart(study):
    cut = study.segment("a", 4)
    names = [f"a/part-{k}" for k in range(1, 5)]
    parts = cut.split(fit=names[:2], test=names[2:])
    model = (
        pipeline().set_params(ridgecv__alphas=[1.0]).fit(parts.fit.stimuli, parts.fit.responses())
    )
    assert list(model[-1].fitted_on_.values()) == names[:2]
    result = ek.evaluate(model, parts.test, fit=parts.fit)
    assert set(ek.audit(result).verdict) == {"ok"}
    for scored in (study.select(["a"]), cut.select(names[1:])):
        with pytest.warns(ek.FittedOnWarning, match="on 1 of the runs"):
            result = ek.evaluate(model, scored)
        assert ek.audit(result).set_index("what").verdict["weights"] == "TEST DATA"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: make_pipeline(model[:2], model[2:]),
        lambda model: GridSearchCV(
            model, {"ridgecv__alphas": [[1.0], [10.0]]}, cv=3, scoring=ek.correlation_scorer
        ),
        lambda model: FrozenEstimator(make_pipeline(FrozenEstimator(model))),
    ],
    ids=["pipeline", "search", "frozen"],
)
def test_a_model_inside_others_is_known_by_its_runs(wrap, study, parts):
    model = pipeline()
    model = wrap(model.fit(parts.fit.stimuli, parts.fit.responses()))
    model.fit(parts.fit.stimuli, parts.fit.responses())
    assert list(fitted_runs(model).values()) == ["a", "b", "c"]
    with pytest.warns(ek.FittedOnWarning, match=r"\('a'\)"):
        result = ek.evaluate(model, study.select(["a"]))
    table = ek.audit(result).set_index("what")
    assert (table.verdict["weights"], table.participants["weights"]) == ("TEST DATA", "P1, P2")
    if "parameters" in table.index:
        assert table.verdict["parameters"] == "TEST DATA"
        assert table.value["parameters"] == str(model.best_params_)


def test_a_model_that_knows_a_part_of_its_runs_says_nothing(fitted, parts):
    model = clone(fitted["loudness"])
    runs = [model[:-1].fit_transform([one]) for one in parts.fit.stimuli]
    model[-1].fit(xr.concat(runs, "time"), parts.fit.responses())
    assert model[-1].fitted_on_ == {}
    table = ek.audit(ek.evaluate(model, parts.test)).set_index("what")
    assert table.verdict["weights"] == "unknown"


@pytest.mark.parametrize("wrap", [lambda step: step, lambda step: ek.FeatureSpaces([("t", step)])])
def test_scoring_a_run_that_chose_the_weights_warns(wrap, parts):
    known = {parts.test.stimuli[0].heard_hash: "v"}
    kept = {"participants_": ("P5",), "tuned_on_": {"0f": "t"}, "validated_on_": known}
    tuned = type("Tuned", (Loudness,), kept)
    model = make_pipeline(wrap(tuned()), ek.Delayer(), ek.RidgeCV([1.0]))
    model.fit(parts.fit.stimuli, parts.fit.responses())
    said = r"1 of the runs that model 'Pipeline' is scored on \('d'\) validated its tuning"
    with pytest.warns(ek.FittedOnWarning, match=said) as caught:
        result = ek.evaluate(model, parts.test)
    assert caught[0].filename == __file__
    assert ek.audit(result).set_index("what").verdict["epoch"] == "TEST DATA"


def test_tuned_features_say_what_tuned_them_and_what_chose_the_epoch(parts, study):
    test_hash = parts.test.stimuli[0].audio_hash

    class Tuned(Loudness):
        loss = "l2"

        def fit(self, X=None, y=None):
            self.tuned_on_, self.validated_on_ = {test_hash: "d"}, {"0f": "v"}
            self.participants_, self.history_ = ["P5"], [1, 2, 3]
            return self

    model = make_pipeline(Tuned().fit(), ek.Delayer(), ek.RidgeCV([1.0]))
    model[-1].fit(model[:-1].transform(parts.fit.stimuli), parts.fit.responses())
    table = ek.audit(ek.evaluate(model, parts.test, fit=parts.fit)).set_index("what")
    assert table.verdict["features"] == "TEST DATA"
    assert (table.value["epoch"], table.runs["epoch"]) == ("best of 3", "v")
    assert table.value["loss"] == "l2"
    model[0].history_ = pd.DataFrame({"epoch": [0.0, 1.5, 3.0], "kept": [False, True, False]})
    table = ek.audit(ek.evaluate(model, parts.test, fit=parts.fit)).set_index("what")
    assert (table.value["epoch"], table.runs["epoch"]) == ("1.5", "v")
    assert table.how["epoch"] == "best of 3 on the validation runs"
    model[0].reverted_to_pretrained_ = True
    table = ek.audit(ek.evaluate(model, parts.test, fit=parts.fit)).set_index("what")
    assert table.value["epoch"] == "the pretrained weights"


def test_an_unknown_role_is_refused():
    with pytest.raises(ValueError, match="decision 'layer': unknown role 'picked'"):
        Decision("layer", "3", role="picked")


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main(list(map(str, arguments)))
    return stopped.value.code, capsys.readouterr()


def test_the_command_prints_a_red_line_and_fails_where_test_data_decided(
    result, parts, tmp_path, capsys
):
    result.save(tmp_path / "clean.nc")
    leak = Decision("layer", "8", "best on the test", "chosen", heard_in(parts.test))
    result.adding(leak).save(tmp_path / "leak.zarr")
    code, said = run(capsys, "audit", tmp_path / "clean.nc")
    assert code == 0
    assert "TEST DATA" not in said.out
    code, said = run(capsys, "audit", tmp_path)
    assert code == 1
    assert "1 decisions were taken on test data" in said.err
    code, said = run(capsys, "audit", tmp_path / "none")
    assert code == 2
    assert "is no result and holds none" in said.err


def test_the_command_breaks_no_word_at_80_columns(result, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result.save(tmp_path / "clean.nc")
    _, said = run(capsys, "audit", tmp_path / "clean.nc")
    assert max(map(len, said.out.splitlines())) <= 80
    shown = {word.strip("(),:") for word in said.out.split()}
    for row in ek.audit(result).drop(columns="value").itertuples(index=False):
        assert {word.strip("(),:") for text in row for word in text.split()} <= shown


def test_methods_say_what_was_run_and_cite_it(result):
    text = ek.methods(result)
    assert "3 runs (6 min at a TR of 2 s) of 2 participants" in text
    assert "delayed by 2, 4 and 6 s within each run" in text
    assert "5 values from 0.001 to 100 by leaving stimuli out" in text
    assert "the mean of 4 repeats" in text
    assert "19 randomisations of the signs of the cosine coefficients" in text
    assert "Benjamini & Hochberg (1995)" in text
    assert "wav2vec" not in text


def test_methods_claim_nothing_that_was_not_run(fitted, parts):
    text = ek.methods(ek.evaluate(fitted["loudness"], parts.test, ceiling=False))
    assert "noise ceiling" not in text
    assert "randomisations" not in text
    assert "Regressions were fitted on" not in text
