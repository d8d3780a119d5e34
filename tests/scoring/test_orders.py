"""False positives where people share a response and heard the stories in other orders.

``python -m pytest -s -m slow tests/scoring/test_orders.py`` prints the table of docs/statistics.md.
"""

import warnings

import numpy as np
import pytest

import encodekit as ek
from encodekit.data import make_response

N_PEOPLE, N_STORIES, N_TRS, N_LATE = 8, 4, 100, 7
NULLS = ("sign", "phase", "shift", "block", "product")


def smooth(rng, n, phi=0.6):
    steps = rng.standard_normal(n)
    for t in range(1, n):
        steps[t] = phi * steps[t - 1] + steps[t] * np.sqrt(1 - phi**2)
    return steps


def runs_of(rng, layout):
    """Return responses that share what no prediction explains, and unrelated predictions.

    ``layout``: "one order" (a run per story), "other orders" (each person's runs are named by their
    session), "and later": in which every second person's scan begins some TRs into the story.
    """
    true, guess = [], []
    for s in range(N_STORIES):
        shared, predicted = smooth(rng, N_TRS), smooth(rng, N_TRS)
        y = shared[:, None] + 0.7 * rng.standard_normal((N_TRS, N_PEOPLE))
        names = {"one order": [f"story{s}"] * N_PEOPLE}.get(
            layout, [f"story{s}_run-{(s + p) % N_STORIES + 1}" for p in range(N_PEOPLE)]
        )
        late = [N_LATE * (p % 2) if layout == "and later" else 0 for p in range(N_PEOPLE)]
        for name, start in dict.fromkeys(zip(names, late, strict=True)):
            who = [k for k in range(N_PEOPLE) if (names[k], late[k]) == (name, start)]
            values = np.full((N_TRS, N_PEOPLE), np.nan)
            values[:, who] = y[:, who]
            given = {
                "run": f"{name}-{start}", "stimulus": f"story{s}", "participant": "P1", "t_r": 2.0,
                "tr_times": 2.0 * np.arange(start, N_TRS), "region": np.full(N_PEOPLE, "A"),
            }  # fmt: skip
            people = np.array([f"P{k}" for k in range(N_PEOPLE)])
            for side, array in (
                (true, values),
                (guess, np.repeat(predicted[:, None], N_PEOPLE, 1)),
            ):
                made = make_response(array[start:], **given)
                side.append(made.assign_coords(participant=("target", people)))
    return true, guess


def rate(layout, null, n_sets, seed=0, n_permutations=199):
    found = []
    for k in range(n_sets):
        true, guess = runs_of(np.random.default_rng([seed, k]), layout)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of runs that begin with their sound
            table = ek.permutation_test(
                true, guess, by="region", null=null, n_permutations=n_permutations, random_state=k,
                tail="count",
            )  # fmt: skip
        found.append(float(table.p_over_stimulus[0]))
    return float(np.mean(np.array(found) <= 0.05))


@pytest.mark.parametrize("layout", ["other orders", "and later"])
def test_people_in_other_orders_have_the_chance_of_one_order(layout):
    """The same numbers, and the same draws: nearly the same p, set by set."""
    for k in range(3):
        p = []
        for one in ("one order", layout):
            true, guess = runs_of(np.random.default_rng([5, k]), one)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                p.append(
                    float(
                        ek.permutation_test(
                            true, guess, by="region", n_permutations=199, random_state=0,
                            tail="count",
                        ).p_over_stimulus[0]
                    )
                )  # fmt: skip
        assert abs(p[0] - p[1]) < (1e-9 if layout == "other orders" else 0.15)


@pytest.mark.slow
@pytest.mark.parametrize("null", NULLS)
def test_false_positives_of_other_orders(null, request):
    n_sets = 400
    rates = [rate(layout, null, n_sets) for layout in ("one order", "other orders", "and later")]
    said = " | ".join(f"{one:.3f}" for one in rates)
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n| {null} | {said} |")
    # Three standard errors of .05 in 400 sets are .033.
    assert max(rates[1:]) <= max(rates[0], 0.05) + 0.033
