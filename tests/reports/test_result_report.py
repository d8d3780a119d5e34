"""The report of a result: its panels, those of plugins, and the cortex to turn."""

import base64
import hashlib
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import encodekit as ek
from encodekit.plugins import PanelSpec, registry
from encodekit.reports import Decision, Section, SurfaceViewer, _panels
from encodekit.reports._viewer import mesh_json

N = 10242


@pytest.fixture(scope="module")
def result():
    rng = np.random.default_rng(0)
    vertex = np.arange(0, N, 20)
    coords = {
        "target": [f"{who}/{side}/{v:05d}" for who in ("P1", "P2") for side in ("left", "right")
                   for v in vertex],
        "participant": ("target", np.repeat(["P1", "P2"], 2 * vertex.size)),
        "hemisphere": ("target", np.tile(np.repeat(["left", "right"], vertex.size), 2)),
        "vertex": ("target", np.tile(vertex, 4)),
        "region": ("target", np.tile(np.where(vertex % 3, "A1", "V1"), 4)),
        "model": ["pretrained", "tuned"],
    }  # fmt: skip
    scores = xr.DataArray(
        rng.normal([[0.1], [0.15]], 0.05, (2, 4 * vertex.size)),
        dims=("model", "target"),
        coords=coords,
        attrs={"space": "fsaverage5", "metric": "correlation"},
    )
    curve = pd.DataFrame(
        [{"model": m, "participant": who, "minutes": x, "size": x, "score": 0.05 * np.log(x) + up}
         for m, up in (("pretrained", 0), ("tuned", 0.02)) for who in ("P1", "P2")
         for x in (5, 10, 20)]
    )  # fmt: skip
    layers = pd.DataFrame({"layer": [1, 2, 3], "score": [0.1, 0.2, 0.15], "model": "tuned"})
    tests = xr.Dataset(
        {"r": scores, "q_over_stimulus": scores * 0 + 0.01},
        attrs={"null": "phase", "n_permutations": 100},
    )
    return ek.Result(
        "Two models",
        scores,
        tests=tests,
        tables={"layers": layers, "learning_curve": curve},
        decisions=(Decision("layer", "8", "best", "chosen", {"story": "ab"}),),
        provenance={
            "test": {"stimuli": {"story": "ab"}, "participants": ["P1"], "minutes": 5, "t_r": 2},
            "permutations": 100,
        },
    )


@pytest.fixture(scope="module")
def page(result, tmp_path_factory):
    return ek.report(tmp_path_factory.mktemp("report") / "r.html", result).read_text()


def test_the_report_of_a_result_has_every_panel_in_order(page):
    titles = re.findall(r'<h2 id="[^"]*">([^<]+)</h2>', page)
    assert titles == [
        "Scores", "Cortical maps", "Differences", "By region", "Layers", "How much data",
        "Significance", "Methods", "Audit", "How this was made",
    ]  # fmt: skip
    assert "<title>Two models</title>" in page


def test_significance_counts_targets_by_false_discoveries_and_by_family_wise_error(result):
    rng = np.random.default_rng(0)
    guess = rng.standard_normal((200, 3))
    truth = guess * [0, 1, 1] + rng.standard_normal((200, 3))
    found = ek.permutation_test(truth, guess).expand_dims(model=result.models)
    [table] = _panels.tests_panel(replace(result, tests=found)).tables
    rows = table.frame.set_index("model")
    assert rows["q_over_stimulus < .05"].tolist() == [2, 2]
    assert rows["p_fwe_over_stimulus < .05"].tolist() == [2, 2]


def test_a_decision_on_test_data_is_a_red_line(page):
    assert len(re.findall(r'<tr class="alarm">', page)) == 1
    assert "1 of 1 decisions were taken on test data." in page


def test_the_page_asks_the_network_for_nothing_and_runs_one_script(page):
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page)
    assert not re.findall(r"fetch\(|XMLHttpRequest|import\(|https?://(?!arxiv|www\.w3)", page)
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert "default-src 'none'" in page
    assert f"script-src 'sha256-{digest}'" in page


def test_the_values_in_the_page_are_the_scores(page, result):
    stored = json.loads(re.search(r'id="v2-1-data">(.*?)</script>', page)[1])
    one = stored["maps"][1]
    packed = np.frombuffer(base64.b64decode(one["values"]), "<u2").astype(float)
    values = one["low"] + (packed - 1) / 65534 * (one["high"] - one["low"])
    scores = result.scores.sel(model="tuned")
    mean = scores.values.reshape(2, 2, -1).mean(axis=0)
    np.testing.assert_allclose(values[:N:20], mean[0], atol=1e-5)
    np.testing.assert_allclose(values[N::20], mean[1], atol=1e-5)
    assert (packed == 0).sum() == 2 * N - mean.size
    names = [stored["areas"][k] for k in np.frombuffer(base64.b64decode(stored["area"]), "<u2")]
    assert (names[0], names[1], names[20]) == ("V1", "", "A1")


def test_the_mesh_in_the_page_is_the_inflated_cortex():
    left = json.loads(mesh_json())["left"]
    points = np.frombuffer(base64.b64decode(left["points"]), "<i2").reshape(-1, 3) * left["scale"]
    triangles = np.frombuffer(base64.b64decode(left["triangles"]), "<u2").reshape(-1, 3)
    assert points.shape == (N, 3)
    assert triangles.shape == (20480, 3)
    assert triangles.max() == N - 1
    assert 80 < np.ptp(points[:, 1]) < 250


def test_a_plugins_panel_stands_where_it_says_and_a_broken_one_breaks_nothing(
    result, tmp_path, monkeypatch
):
    from encodekit.plugins import Entry

    plugin = registry().entries("panels")[0].plugin
    panels = {
        "pitch": lambda result: Section("Pitch", f"of {len(result.models)} models"),
        "broken": lambda result: 1 / 0,
        "nothing": lambda result: None,
    }
    entries = [
        Entry(PanelSpec(name, load="a:b", summary="x", order=5 if name == "pitch" else 200), plugin)
        for name in panels
    ]
    monkeypatch.setattr(type(registry()), "entries", lambda self, kind: entries)
    monkeypatch.setattr(
        "encodekit.reports._panels.load_entry", lambda entry: panels[entry.spec.name]
    )
    with pytest.warns(UserWarning, match="the panel 'broken' of .* failed: ZeroDivisionError"):
        page = ek.report(tmp_path / "r.html", result).read_text()
    assert re.findall(r'<h2 id="[^"]*">([^<]+)</h2>', page)[:2] == ["Pitch", "broken"]
    assert "<script>" not in page


def test_a_viewer_needs_a_map_and_a_report_something_to_show(tmp_path):
    with pytest.raises(ValueError, match="at least one map"):
        SurfaceViewer({})
    with pytest.raises(ValueError, match="needs a title and a section, or a result"):
        ek.report(tmp_path / "r.html")
