"""Every figure against the picture of it that was looked at.

``UPDATE_PICTURES=1 pytest tests/reports/test_pictures.py`` draws them anew: look at each one.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.image import imread, imsave
from matplotlib.testing.compare import calculate_rms

from encodekit.reports import (
    plot_by_region,
    plot_difference,
    plot_fir,
    plot_layer_profile,
    plot_learning_curve,
    plot_models_by_participant,
    plot_surface,
    plot_training,
)
from encodekit.reports._mesh import inflated

PICTURES = Path(__file__).parent / "pictures"
TOLERANCE = 3.0  # root mean square over pixels of 0-255; text of another font build is below 2


def wave():
    sides = [inflated(side)[0] for side in ("left", "right")]
    return np.concatenate([0.3 * np.sin(points[:, 1] / 25 + 1) for points in sides])


def on_cortex(values):
    n = values.size // 2
    return xr.DataArray(
        values,
        dims="target",
        coords={
            "target": [f"P1/{k}" for k in range(values.size)],
            "hemisphere": ("target", np.repeat(["left", "right"], n)),
            "vertex": ("target", np.tile(np.arange(n), 2)),
        },
        attrs={"space": "fsaverage5"},
    )


def curves():
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        [
            {
                "model": model,
                "cohort": cohort,
                "minutes": minutes,
                "size": minutes,
                "score": 0.1 + 0.05 * np.log(minutes) + plus + rng.normal(0, 0.01),
            }
            for model, plus in (("pretrained", 0), ("single", 0.02), ("multi", 0.05))
            for cohort in range(5)
            for minutes in (5, 10, 20, 40)
        ]
    )


def training():
    return pd.DataFrame(
        [
            {"step": step, "split": split, "model": model, "loss": plus - step / 100 + offset}
            for model, plus in (("single", 1.2), ("multi", 1.0))
            for split, offset in (("train", 0), ("validation", 0.1))
            for step in range(0, 50, 10)
        ]
    )


def weights():
    delays = np.repeat([2.0, 4.0, 6.0, 8.0], 3)
    shape = np.repeat([0.3, 1.0, 0.7, -0.2], 3)
    return xr.DataArray(
        np.c_[shape, shape, shape**2 + 0.1] * np.tile([1, -1, 0.5], 4)[:, None],
        dims=("feature", "target"),
        coords={
            "name": ("feature", ["pitch", "power", "rate"] * 4),
            "delay": ("feature", delays),
            "region": ("target", ["A1", "A1", "44"]),
        },
    )


def drawings(scores):
    regions = pd.concat([scores.assign(region=region) for region in ("A1", "44", "PGi")])
    layers = pd.concat([scores.assign(layer=k, score=scores.score + 0.01 * k) for k in range(4)])
    half = xr.DataArray(np.abs(wave()) > 0.1, dims="target")
    half = half.assign_coords(target=on_cortex(wave()).target)
    return {
        "models": lambda: plot_models_by_participant(scores, kind="bars"),
        "regions": lambda: plot_by_region(regions, model="model"),
        "layers": lambda: plot_layer_profile(layers, chosen={"multi": 2}),
        "training": lambda: plot_training(training(), model="model", best={"multi": 30}),
        "learning_curve": lambda: plot_learning_curve(curves(), reference="pretrained"),
        "fir": lambda: plot_fir(weights(), by="region"),
        "fir_feature": lambda: plot_fir(weights(), feature="power"),
        "surface": lambda: plot_surface(wave(), threshold=0.05),
        "difference": lambda: plot_difference(
            on_cortex(wave()), on_cortex(np.zeros(20484)), significant=half, views=["lateral"]
        ),
    }


NAMES = tuple(drawings(pd.DataFrame({"score": [], "model": []})))


@pytest.mark.parametrize("name", NAMES)
def test_figures_look_as_they_did_when_they_were_looked_at(name, scores, pixels):
    drawn = drawings(scores)[name]()
    figure = drawn if hasattr(drawn, "savefig") else drawn.figure
    picture = on_white(pixels(figure))
    file = PICTURES / f"{name}.png"
    if os.environ.get("UPDATE_PICTURES"):
        PICTURES.mkdir(exist_ok=True)
        imsave(file, picture.astype(np.uint8))
    expected = np.round(255 * imread(file)[..., :3]).astype(np.uint8)
    assert picture.shape == expected.shape
    assert calculate_rms(expected, picture.astype(np.uint8)) < TOLERANCE


def test_another_colour_is_another_picture(scores, pixels):
    changed = plot_models_by_participant(scores, kind="bars", colours={"multi": "#d55e00"})
    picture = on_white(pixels(changed.figure)).astype(np.uint8)
    expected = np.round(255 * imread(PICTURES / "models.png")[..., :3]).astype(np.uint8)
    assert calculate_rms(expected, picture) > TOLERANCE


def on_white(rgba):
    alpha = rgba[..., 3:] / 255
    return np.round(rgba[..., :3] * alpha + 255 * (1 - alpha))
