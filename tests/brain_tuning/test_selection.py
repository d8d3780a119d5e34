import numpy as np
import pytest
import xarray as xr
from sklearn.exceptions import NotFittedError

from encodekit import RegionSelector
from encodekit.data import RunList, make_response
from encodekit_brain_tuning import AgreementSelector


def response(person, values, run="a", **keywords):
    n_targets = values.shape[1]
    given = {"hemisphere": "left", "vertex": np.arange(n_targets), "space": "fsaverage5"}
    return make_response(
        values.astype("float32"), run=run, participant=person, t_r=2.0,
        tr_times=2.0 * np.arange(len(values)), **(given | keywords),
    )  # fmt: skip


def together(*parts):
    return xr.concat(parts, "target", combine_attrs="override")


@pytest.fixture
def people():
    """Three people in two runs; they share the first of three targets most, the last not at all."""
    rng = np.random.default_rng(0)
    runs = RunList()
    for run, n_trs in [("a", 30), ("b", 60)]:
        common = rng.standard_normal((n_trs, 3)) * [2.0, 0.7, 0.0]
        parts = [common + rng.standard_normal(common.shape) for _ in range(3)]
        runs.append(together(*(response(f"P{n}", part, run) for n, part in enumerate(parts))))
    return runs


def test_agreement_is_r_with_the_mean_of_the_others_within_runs(people):
    found = AgreementSelector().fit(people).agreement_
    expected, n_trs = [], []
    for run in people:
        z = (run.values - run.values.mean(0)) / run.values.std(0)
        first = [z[:, run.participant.values == f"P{n}"][:, 0] for n in range(3)]
        expected.append(
            np.mean([np.corrcoef(first[n], (sum(first) - first[n]) / 2)[0, 1] for n in range(3)])
        )
        n_trs.append(len(z))
    assert found["left/00000"] == pytest.approx(np.average(expected, weights=n_trs), abs=1e-6)
    assert found["left/00000"] > found["left/00001"] > found["left/00002"]


def test_the_targets_of_the_highest_agreement_are_kept_for_everybody(people):
    chosen = AgreementSelector(top=0.4).fit(people)
    assert chosen.keys_ == ("left/00000",)
    assert chosen.transform(people[0]).target.values.tolist() == [
        f"P{n}/left/00000" for n in range(3)
    ]


def test_what_one_person_alone_has_is_never_kept(people):
    people = RunList(
        run.isel(target=~((run.vertex.values == 0) & (run.participant.values != "P0")))
        for run in people
    )
    chosen = AgreementSelector(top=1.0).fit(people)
    assert np.isnan(chosen.agreement_["left/00000"])
    assert chosen.keys_ == ("left/00001", "left/00002")


def test_a_selector_that_has_not_learnt_selects_nothing(people):
    with pytest.raises(NotFittedError):
        AgreementSelector().transform(people[0])


def test_agreement_of_one_person_is_refused(people):
    alone = [run.isel(target=run.participant.values == "P0") for run in people]
    with pytest.raises(ValueError, match="two people or more, got P0"):
        AgreementSelector().fit(alone)


@pytest.mark.parametrize("top", [0.0, 1.5])
def test_a_share_out_of_range_is_refused(people, top):
    with pytest.raises(ValueError, match="a share of the targets above 0"):
        AgreementSelector(top=top).fit(people)


def test_agreement_is_learnt_from_the_tuning_runs_alone(tuned, stories, responses):
    features = tuned(targets=AgreementSelector(top=0.5), training__epochs=1)
    features.fit(stories[:2], responses[:2], validation=(stories[3:], responses[3:]))
    expected = AgreementSelector(top=0.5).fit(responses[:2]).keys_
    assert features.targets_ == expected
    assert not hasattr(features.targets, "keys_")


def test_area_means_make_native_spaces_comparable(tuned, stories, responses):
    native = RunList(run.assign_attrs(space="native") for run in responses)
    features = tuned(
        targets=RegionSelector(regions=["A1", "STSdp"], average=True), training__epochs=1
    )
    features.fit(stories[:1], native[:1])
    assert set(features.targets_) == {"left/A1", "left/STSdp", "right/A1", "right/STSdp"}
