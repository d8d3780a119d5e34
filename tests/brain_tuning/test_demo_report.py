"""What the demo's report says in words."""

import numpy as np
import pytest

from encodekit_brain_tuning._demo_report import verdict


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        ([0.10, 0.12, 0.11, 0.09], "better than"),
        ([-0.10, -0.12, -0.11, -0.09], "worse than"),
        ([0.001, -0.001, 0.004, 0.003], "about as well as"),
        ([0.2], "about as well as"),
    ],
)
def test_a_model_is_better_only_where_the_interval_over_people_is(gain, said):
    assert verdict(np.array(gain)) == said
