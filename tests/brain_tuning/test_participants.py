from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from encodekit.data import RunList, make_response
from encodekit_brain_tuning.losses import l2
from encodekit_brain_tuning.targets import (
    AgreementSelector,
    RunTargets,
    align,
    match_runs,
    plain_mean,
    run_list,
    select_targets,
    weighted_mean,
)


def response(person, vertices, values=None, run="a", n_trs=4, **keywords):
    shape = (n_trs, len(vertices))
    values = np.random.default_rng(len(person) + sum(vertices)).standard_normal(shape)
    given = {"hemisphere": "left", "vertex": vertices, "space": "fsaverage5"} | keywords
    return make_response(
        values.astype("float32"), run=run, participant=person, tr_times=2.0 * np.arange(n_trs),
        t_r=2.0, **given,
    )  # fmt: skip


def together(*parts):
    return xr.concat(parts, "target", combine_attrs="override")


def aligned(runs, *, reduce=False, z_score=False, n_trs=4, like=None, **keywords):
    lengths = {str(run.run.values[0]): n_trs for run in runs}
    combine = weighted_mean if reduce else None
    return align(runs, lengths, combine=combine, z_score=z_score, like=like, **keywords)


def test_targets_are_aligned_by_hemisphere_and_vertex_whatever_their_order():
    first, second = response("P1", [3, 5]), response("P2", [5, 3])
    shared = aligned([together(first, second)])
    assert shared.keys == ("left/00003", "left/00005")
    assert shared.participants == ("P1", "P2")
    np.testing.assert_array_equal(shared.runs["a"].values[1], second.values[:, ::-1])


def test_what_a_participant_lacks_weighs_nothing():
    run = together(response("P1", [3, 5]), response("P2", [5]))
    run.values[2, 2] = np.nan
    weights = aligned([run]).runs["a"].weights
    assert weights[1, :, 0].tolist() == [0, 0, 0, 0]
    assert weights[1, :, 1].tolist() == [1, 1, 0, 1]


def test_a_run_that_a_participant_lacks_is_the_others():
    shared = aligned([together(response("P1", [3]), response("P2", [3])),
                      response("P1", [3], run="b")])  # fmt: skip
    assert shared.runs["b"].weights[:, :, 0].sum(axis=1).tolist() == [4, 0]


def test_people_who_hear_the_stories_in_other_orders_tune_as_in_one_order(
    tuned, stories, responses
):
    """Runs named by session, two per story, each of one person: the same weights to the bit."""
    apart, runs = [], RunList()
    for person in ("P1", "P2"):
        for story, run in zip(stories[:3], responses[:3], strict=True):
            name = f"{person}-{story.name}"
            apart.append(replace(story, run=name, tr_times=story.grid))
            own = run.assign_coords(run=("time", np.full(run.sizes["time"], name)))
            runs.append(own.isel(target=run.participant.values == person))
    together = tuned().fit(stories[:3], responses[:3])
    found = tuned().fit(apart, runs)
    assert found.participants_ == together.participants_ == ("P1", "P2")
    assert found.tuned_.facts.tuned_seconds == together.tuned_.facts.tuned_seconds
    assert found.tuned_.facts.weights_hash == together.tuned_.facts.weights_hash
    everywhere = [run.where(run.participant == run.run[0].item()[:2]) for run in runs]
    assert all(np.isfinite(run.values).all() for run in everywhere)


def test_two_hearings_of_one_person_are_z_scored_and_averaged(stories, responses):
    first = responses[0].isel(target=responses[0].participant.values == "P1")
    again = (first * -3 + 50).assign_attrs(first.attrs)
    again = again.assign_coords(run=("time", np.full(again.sizes["time"], "again")))
    heard = [stories[0], replace(stories[0], run="again", tr_times=stories[0].grid)]
    runs = match_runs(heard, RunList([first, again]), None, "tuning")
    assert [s.run_name for s in runs.stimuli] == ["story-0"]
    np.testing.assert_allclose(runs.responses[0].values, 0, atol=1e-5)  # z and -z


def test_agreement_is_over_what_was_heard(stories, responses):
    by_person = RunList()
    for person in ("P1", "P2"):
        for run in responses:
            own = run.isel(target=run.participant.values == person)
            name = f"{person}-{run.run.values[0]}"
            by_person.append(own.assign_coords(run=("time", np.full(run.sizes["time"], name))))
    expected = AgreementSelector(top=0.5).fit(responses).agreement_
    assert AgreementSelector(top=0.5).fit(by_person).agreement_ == pytest.approx(expected)


def test_rows_are_placed_by_tr():
    short = response("P1", [3], n_trs=2, tr=[1, 3])
    run = aligned([short]).runs["a"]
    assert run.weights[0, :, 0].tolist() == [0, 1, 0, 1]
    assert run.values[0, 3, 0] == short.values[1, 0]


def test_z_scores_are_per_run_and_ignore_what_is_missing():
    run = response("P1", [3, 5], n_trs=8)
    run.values[0, 0] = np.nan
    values = aligned([run], z_score=True, n_trs=8).runs["a"].values[0]
    np.testing.assert_allclose(values[1:, 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(values[1:, 0].std(), 1, atol=1e-5)
    np.testing.assert_allclose(values[:, 1].std(), 1, atol=1e-5)


def test_a_constant_target_is_left_out():
    run = response("P1", [3, 5])
    run.values[:, 0] = 7.1
    weights = aligned([run], z_score=True).runs["a"].weights
    assert weights.sum(axis=(0, 1)).tolist() == [0, 4]


def test_the_gradient_on_the_weighted_mean_is_the_joint_gradient():
    rng = np.random.default_rng(0)
    run = together(*(response(p, [1, 2, 3, 4]) for p in ("P1", "P22", "P333")))
    run.values[rng.random(run.shape) < 0.3] = np.nan
    features = torch.from_numpy(rng.standard_normal((4, 6)))
    gradients, losses = [], []
    for reduce in (False, True):
        targets = aligned([run], reduce=reduce).runs["a"]
        weight = torch.ones(6, 4, dtype=torch.float64, requires_grad=True)
        mask = torch.from_numpy(targets.weights).double()
        loss = l2((features @ weight)[None], torch.from_numpy(targets.values).double(), mask)
        loss.backward()
        gradients.append(weight.grad)
        losses.append(loss.item() + targets.spread.sum() / float(mask.sum()))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-6, atol=1e-6)
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_an_unweighted_mean_would_have_another_gradient():
    run = together(response("P1", [1, 2]), response("P22", [1, 2]))
    run.values[:, 3] = np.nan
    targets = aligned([run], reduce=True).runs["a"]
    weight = torch.ones(2, dtype=torch.float64, requires_grad=True)
    true, mask = (torch.from_numpy(each).double() for each in (targets.values, targets.weights))
    (weighted,) = torch.autograd.grad(l2(weight, true, mask), weight)
    (plain,) = torch.autograd.grad(l2(weight, true, (mask > 0).double()), weight)
    assert float((weighted - plain).abs().max()) > 0.01


def test_validation_takes_the_keys_and_people_of_tuning():
    shared = aligned([together(response("P1", [3, 5]), response("P2", [3, 5]))])
    other = aligned([response("P2", [5, 9], run="b")], like=shared)
    assert other.keys == shared.keys
    assert other.runs["b"].weights.sum(axis=1).tolist() == [[0, 0], [0, 4]]


def test_native_vertices_of_several_people_are_refused():
    run = together(response("P1", [3], space="native"), response("P2", [3], space="native"))
    with pytest.raises(ValueError, match="common space"):
        aligned([run])


def test_native_vertices_of_several_people_get_places_of_their_own_if_asked():
    parts = [response("P1", [3], space="native"), response("P2", [3, 8], space="native")]
    targets = aligned([together(*parts)], own_targets=True)
    assert targets.keys == ("P1/left/00003", "P2/left/00003", "P2/left/00008")
    assert targets.n_slots == 2
    run = targets.runs["a"]
    assert run.weights[:, 0].tolist() == [[1, 0], [1, 1]]
    np.testing.assert_array_equal(run.values[1], parts[1].values)
    later = aligned([response("P2", [8], space="native", run="b")], like=targets).runs["b"]
    assert later.weights[:, 0].tolist() == [[0, 0], [0, 1]]


def test_weights_are_in_the_place_of_presence():
    run = together(response("P1", [3, 5]), response("P2", [5]))
    weights = {("P1", "left/00003"): 0.0, ("P1", "left/00005"): 2.0, ("P2", "left/00005"): 0.5}
    placed = aligned([run], weights=weights).runs["a"]
    assert placed.weights[:, 0].tolist() == [[0, 2], [0, 0.5]]
    assert placed.heard.all()


def test_who_heard_a_run_is_known_after_they_are_combined():
    run = together(response("P1", [3]), response("P2", [3]))
    run.values[1:, 1] = np.nan
    for combine in (None, weighted_mean, plain_mean):
        targets = align([run], {"a": 4}, z_score=False, combine=combine)
        assert targets.runs["a"].heard.sum(axis=1).tolist() == [4, 1]


def test_a_plain_mean_counts_a_value_once_however_many_have_it():
    first, second = response("P1", [3, 5]), response("P2", [3])
    mean = plain_mean(aligned([together(first, second)]).runs["a"])
    np.testing.assert_allclose(mean.values[0, :, 0], (first.values[:, 0] + second.values[:, 0]) / 2)
    assert (mean.weights == 1).all()
    assert not mean.spread.any()


def test_one_person_in_native_space_is_fine():
    assert aligned([response("P1", [3], space="native")]).keys == ("left/00003",)


def test_region_means_are_aligned_by_name():
    parts = [response(p, [0, 1], space="native", hemisphere=None, vertex=None,
                      region=["A1", "A5"]) for p in ("P1", "P2")]  # fmt: skip
    assert aligned([together(*parts)]).keys == ("A1", "A5")


def test_a_tr_that_the_stimulus_lacks_is_refused():
    with pytest.raises(ValueError, match="TR 3 but its stimulus has 2"):
        aligned([response("P1", [3])], n_trs=2)


def test_a_run_twice_is_refused():
    run = response("P1", [3])
    with pytest.raises(ValueError, match="2 runs have the name 'a'"):
        run_list([run, run])


def test_no_run_is_refused():
    with pytest.raises(ValueError, match="no run"):
        run_list([])


def test_regions_select_targets_by_name():
    run = response("P1", [3, 5], region=["A1", "V1"])
    assert select_targets(RunList([run]), ["A1"])[0].vertex.values.tolist() == [3]


def test_an_unknown_region_is_answered_with_close_matches():
    run = response("P1", [3, 5], region=["STSdp", "V1"])
    with pytest.raises(ValueError, match="STSdp"):
        select_targets(RunList([run]), ["STSpd"])


def test_where_everybody_has_everything_the_plain_mean_is_the_weighted_one_to_the_bit():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((3, 5, 4)).astype("f4")
    whole = RunTargets(values, np.ones_like(values), np.ones((3, 5), bool), np.zeros(5))
    weighted, plain = weighted_mean(whole), plain_mean(whole)
    assert np.array_equal(weighted.values, plain.values)
    assert np.array_equal(weighted.weights, 3 * plain.weights)
