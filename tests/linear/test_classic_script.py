"""The classic script, from a study to a normalised table by region."""

import numpy as np
import pytest
import xarray as xr
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import Study, make_response


@pytest.fixture
def study(cohort):
    """Return three participants; P1 has 4 repeats of the last story, P2 2; P3 lacks story 1."""
    stories, runs = cohort(n_stories=5, participants=("P1", "P2", "P3"), noise=0.0)
    rng = np.random.default_rng(3)
    responses = {}
    for person, n_repeats in (("P1", 4), ("P2", 2), ("P3", 2)):
        mine = {}
        for story, run in zip(stories, runs, strict=True):
            clean = run.isel(target=run.participant.values == person).values
            if story.name == "story-4":
                values = clean + 2 * rng.standard_normal((n_repeats, *clean.shape))
            else:
                values = clean + rng.standard_normal(clean.shape)
            if (person, story.name) != ("P3", "story-1"):
                mine[story.run_name] = make_response(
                    values.astype("f4"), run=story.run_name, participant=person,
                    tr_times=story.grid, t_r=2.0, region=["A1", "A1", "V1"],
                )  # fmt: skip
        responses[person] = mine
    return Study("five stories", stories, responses)


def test_from_a_study_to_a_table_by_region(study, extractor):
    train, test = study.split(test=["story-4"])
    model = make_pipeline(extractor, ek.Delayer(seconds=[2, 4, 6, 8]), ek.RidgeCV())
    model.fit(train.stimuli, train.responses())
    assert model[-1].degenerate_.size == 0
    scores = ek.correlation(test.responses(), model.predict(test.stimuli))
    assert scores.n_repeats.values.tolist() == [4, 4, 4, 2, 2, 2, 2, 2, 2]
    normalised = ek.normalise(scores, ek.noise_ceiling(test.repeats()))
    assert np.isfinite(normalised).all()
    assert (normalised > scores).all()
    assert 0.6 < float(normalised.mean()) < 1.4
    table = ek.by_region(normalised, by=["participant", "region"])
    assert len(table) == 6


def test_a_ceiling_for_one_repeat_is_refused_for_the_mean(study, extractor):
    train, test = study.split(test=["story-4"])
    model = make_pipeline(extractor, ek.RidgeCV()).fit(train.stimuli, train.responses())
    scores = ek.correlation(test.responses(), model.predict(test.stimuli))
    with pytest.raises(ValueError, match="on another number of repeats than the ceiling is for"):
        ek.normalise(scores, ek.noise_ceiling(test.repeats(), n=1))


def test_targets_of_one_region_are_fitted_and_scored(study, extractor):
    train, test = study.split(test=["story-4"])
    ridge = ek.RidgeCV(targets=ek.RegionSelector(regions=["A1"]))
    model = make_pipeline(extractor, ek.Delayer(), ridge).fit(train.stimuli, train.responses())
    assert isinstance(model.predict(test.stimuli), xr.DataArray)
    assert set(model.predict(test.stimuli).region.values) == {"A1"}
    assert model.score(test.stimuli, test.responses()) > 0.3


def test_a_saved_pipeline_predicts_the_same(study, extractor, tmp_path):
    model = make_pipeline(extractor, ek.Delayer(), ek.RunScaler(), ek.RidgeCV())
    model.fit(study.stimuli, study.responses())
    classes = [type(extractor)]
    loaded = ek.load(ek.save(model, tmp_path / "model", classes=classes), classes=classes)
    assert loaded.predict(study.stimuli).identical(model.predict(study.stimuli))
