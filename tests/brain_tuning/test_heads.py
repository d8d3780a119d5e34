import numpy as np
import pytest
import torch

from encodekit.plugins import as_settings, settings_names
from encodekit_brain_tuning import BrainTunedFeatures
from encodekit_brain_tuning.heads import Head, SharedHeadModule, reduced_rank

N_FEATURES, N_TARGETS, N_PEOPLE, RANK = 6, 5, 3, 2
EVERYBODY = torch.arange(N_PEOPLE)
SMALL = {"rank": RANK, "n_hidden": RANK}


def settings(name):
    """The head of that name, as small as it can be made here."""
    head = as_settings(Head, name, "head")
    return head.replace(**{key: n for key, n in SMALL.items() if key in head.parameters()})


HEADS = {name: settings(name) for name in settings_names(Head)}


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def make(name):
    return HEADS[name].build(N_FEATURES, N_TARGETS, N_PEOPLE).eval()


@pytest.fixture
def rows():
    return torch.randn(4, 7, N_FEATURES)


def predict(head, rows, people=EVERYBODY):
    return head(rows, torch.ones(*rows.shape[:-1], 1), people)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_answers_for_everybody_at_once_or_for_each_asked_for(name, rows):
    head = make(name)
    everybody = predict(head, rows)
    assert everybody.shape == (1 if head.shared else N_PEOPLE, 4, 7, N_TARGETS)
    one = predict(head, rows, torch.tensor([2]))
    torch.testing.assert_close(one[0], everybody[0 if head.shared else 2])
    assert predict(head, rows, None).shape == (1, 4, 7, N_TARGETS)


@pytest.mark.parametrize("name", [name for name in HEADS if name != "individual"])
def test_a_head_starts_at_a_ridge_solution_for_everybody_and_for_the_unseen(name, rows):
    """Of rank 2, so that a bottleneck of 2 holds it too."""
    coefficients = torch.randn(N_FEATURES, RANK) @ torch.randn(RANK, N_TARGETS)
    intercept = torch.randn(N_TARGETS)
    head = make(name)
    head.start_from(coefficients.double(), intercept.double(), rows.reshape(-1, 6).double())
    expected = rows @ coefficients + intercept
    for people in (EVERYBODY, None):
        for predicted in predict(head, rows, people):
            torch.testing.assert_close(predicted, expected, atol=1e-4, rtol=1e-4)


def test_each_participant_starts_at_their_own_solution_and_the_unseen_at_the_mean(rows):
    coefficients = torch.randn(N_PEOPLE, N_FEATURES, N_TARGETS)
    intercept = torch.randn(N_PEOPLE, N_TARGETS)
    head = make("individual")
    head.start_from(coefficients, intercept, rows.reshape(-1, N_FEATURES))
    predicted = predict(head, rows)
    for person in range(N_PEOPLE):
        expected = rows @ coefficients[person] + intercept[person]
        torch.testing.assert_close(predicted[person], expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(predict(head, rows, None)[0], predicted.mean(0))


@pytest.mark.parametrize("name", [name for name in HEADS if not HEADS[name].module.shared])
def test_a_participants_own_part_learns_from_them_alone(name, rows):
    head = make(name)
    if name == "low_rank":
        torch.nn.init.ones_(head.up)
    predict(head, rows, torch.tensor([1])).square().sum().backward()
    own = head.weight if name == "individual" else head.up
    assert own.grad[1].abs().sum() > 0
    assert own.grad[0].abs().sum() == own.grad[2].abs().sum() == 0


def test_the_unseen_layer_learns_from_those_left_out_in_training(rows):
    head = make("unseen").train()
    everybody = predict(head, rows, EVERYBODY.repeat(200))
    everybody.square().sum().backward()
    assert head.up.grad[-1].abs().sum() > 0
    unseen = predict(head, rows, None)[0]
    gone = [torch.allclose(each, unseen, atol=1e-5) for each in everybody]
    assert 0.06 < np.mean(gone) < 0.14


def test_nobody_is_left_out_when_the_head_is_not_training(rows):
    head = make("unseen")
    one = predict(head, rows)
    assert all(torch.equal(one, predict(head, rows)) for _ in range(20))


def test_the_best_map_of_a_rank_is_that_of_least_error_in_the_predictions():
    z = torch.randn(40, 6, dtype=torch.float64) * torch.tensor([9.0, 1, 1, 1, 1, 0.1])
    z = z - z.mean(0)
    whole = torch.randn(6, 5, dtype=torch.float64)
    down, up = reduced_rank(whole, z, 2)
    left, sizes, right = torch.linalg.svd(z @ whole, full_matrices=False)
    torch.testing.assert_close(z @ down @ up, left[:, :2] * sizes[:2] @ right[:2])


def test_an_unknown_head_is_answered_with_close_matches():
    with pytest.raises(ValueError, match="bottleneck"):
        BrainTunedFeatures("tiny", head="botleneck").settings()


def test_a_head_of_ones_own_is_taken_as_it_is():
    class Mine(Head):
        module = SharedHeadModule

    head = Mine(start="random")
    assert BrainTunedFeatures("tiny", head=head).settings().head is head
    assert type(head.build(N_FEATURES, N_TARGETS, N_PEOPLE)) is SharedHeadModule
    assert HEADS.keys() >= {"shared", "individual", "low_rank", "bottleneck", "mlp", "unseen"}
