"""How much of a new participant's data reaches what pretrained features reach at full data."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest

import encodekit as ek

FRESH = range(4201, 4211)  # no setting was chosen on them

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * 3600)]


def test_the_data_that_reach_the_pretrained_reference_are_counted_in_ten_fresh_cohorts(
    paper, capsys
):
    import pandas as pd

    work = partial(paper("data_curves").curve_cohort, threads=1, n_stories=27)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        curves = pd.concat(pool.map(work, FRESH))
    found = ek.data_to_reach(curves, "pretrained").set_index("model")
    with capsys.disabled():
        for rows in (["cohort", "model"], ["model"]):
            table = curves.groupby([*rows, "size"]).score.mean().unstack()
            print(table.round(3).to_string())
        print(found.round(3).T.to_string())
    assert (found.n_cohorts == len(FRESH)).all()
    assert found.share["pretrained"] > 0.5
    assert found.share_low["single-tuned"] <= found.share["single-tuned"]
