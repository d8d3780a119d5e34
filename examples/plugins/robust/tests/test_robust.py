import numpy as np
import torch
import xarray as xr
from encodekit_example_robust import plugin
from encodekit_example_robust.losses import huber
from encodekit_example_robust.panels import outliers

import encodekit as ek
from encodekit.reports import Result
from encodekit.testing import check_loss


def test_the_loss_keeps_the_contract():
    assert len(check_loss(huber)) == 10


def test_it_is_torchs_own_where_nothing_is_masked():
    predicted, true = torch.randn(9, 4), 3 * torch.randn(9, 4)
    own = torch.nn.functional.huber_loss(predicted, true, delta=0.7)
    torch.testing.assert_close(huber(predicted, true, torch.ones(9, 4), threshold=0.7), own)


def scores():
    values = np.r_[np.linspace(0.1, 0.2, 20), 0.9, np.linspace(0.1, 0.2, 10), np.nan]
    coords = {
        "model": ["pitch"],
        "target": [f"t{k}" for k in range(32)],
        "participant": ("target", ["P1"] * 21 + ["P2"] * 11),
    }
    return xr.DataArray(values[None], dims=("model", "target"), coords=coords)


def test_the_panel_counts_targets_that_score_far_from_the_others():
    section = outliers(Result("one", scores()))
    assert section.tables[0].rows() == [["P1", "21", "1"], ["P2", "10", "0"]]


def test_targets_that_belong_to_nobody_have_no_panel():
    assert outliers(Result("one", scores().drop_vars("participant"))) is None


def test_the_plugin_is_accepted(encodekit_plugins):
    with encodekit_plugins.add(plugin, name="example-robust") as harness:
        assert harness["example-robust"].cause is None
        loss = ek.make_loss("huber", threshold=0.5)
        assert float(loss(torch.zeros(1, 1), torch.ones(1, 1), torch.ones(1, 1))) == 0.375
