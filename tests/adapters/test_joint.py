"""LeBel 2023 (TR 2 s) and Narratives (1.5 s) in their true layouts, as one study."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import concat_runs


@pytest.fixture(scope="module")
def joint(lebel, layouts, tmp_path_factory):
    root = tmp_path_factory.mktemp("narratives")
    words = [("a", 16.0, 16.2), ("b", 100.0, 100.4), ("c", 130.5, 131.0)]
    layouts.write_narratives(root, "21styear", ["sub-075", "sub-076"], n_trs=116, words=words)
    stories = ek.load_study("lebel2023", root=lebel, participants=["UTS04", "UTS05"],
                            stories=["buck", "legacy", "wheretheressmoke"])  # fmt: skip
    more = ek.load_study("narratives", root=root, task="21styear", segments=3, gap=15.0)
    return stories.join(more, name="joint")


def test_both_are_one_study_at_their_own_rates(joint):
    assert joint.t_rs == [1.5, 2.0]
    assert joint.participants == ["UTS04", "UTS05", "sub-075", "sub-076"]
    whole = ek.validate(concat_runs(joint.responses()), "response")
    people = whole.participant.values
    slow = whole.t_r.values == 2.0
    values = whole.compute().values
    assert np.isnan(values[np.ix_(~slow, np.char.startswith(people, "UTS"))]).all()
    assert np.isnan(values[np.ix_(slow, np.char.startswith(people, "sub"))]).all()
    assert whole.attrs["space"] == "mixed"


@pytest.mark.filterwarnings("ignore:WordRate counts per TR")
def test_one_fit_serves_both_and_a_saved_study_gives_the_same(joint, tmp_path):
    model = make_pipeline(ek.WordRate(), ek.CanonicalHRF(), ek.RunScaler(), ek.RidgeCV([10.0]))
    model.fit(joint.stimuli, joint.responses())
    predicted = model.predict(joint.stimuli)
    for person, t_r in (("UTS05", 2.0), ("sub-076", 1.5)):
        one = joint.select([s.run_name for s in joint.stimuli if s.t_r == t_r], [person])
        alone = make_pipeline(*[step for _, step in model.steps[:-1]], ek.RidgeCV([10.0]))
        alone.fit(one.stimuli, one.responses())
        mine = alone.predict(one.stimuli)
        together = predicted.isel(time=predicted.t_r.values == t_r).sel(target=mine.target)
        np.testing.assert_allclose(together.values, mine.values, rtol=1e-4, atol=1e-5)
    again = ek.load_study(joint.save(tmp_path / "joint"))
    model.fit(again.stimuli, again.responses())
    np.testing.assert_allclose(model.predict(again.stimuli).values, predicted.values, rtol=1e-5)
