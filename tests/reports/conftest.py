import numpy as np
import pandas as pd
import pytest

MODELS = ("pretrained", "single", "multi")
PEOPLE = ("P4", "P5", "P6", "P7")


def made_up_scores():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {"model": model, "participant": who, "score": 0.2 + 0.02 * k + rng.normal(0, 0.01)}
            for k, model in enumerate(MODELS)
            for who in PEOPLE
        ]
    )


@pytest.fixture
def scores():
    return made_up_scores()


@pytest.fixture(scope="module")
def shared_scores():
    return made_up_scores()


@pytest.fixture
def pixels():
    """Draw a figure and return its picture, (height, width, RGBA) in 0..255."""

    def draw(figure):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        figure.set_dpi(60)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba()).astype(int)

    return draw
