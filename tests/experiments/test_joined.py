"""The results of models and areas become one, with what each decided."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import encodekit as ek
from encodekit.experiments._joined import joined
from encodekit.reports import Decision

PARTS = {"tune": ["s0"], "validate": ["s1"], "fit": ["s2", "s3"], "test": ["s4"]}
R = {
    ("pretrained", "language"): 0.25, ("pretrained", "auditory"): 0.3,
    ("multi-tuned", "language"): 0.35, ("multi-tuned", "auditory"): 0.4,
}  # fmt: skip
HEARD = {story: f"sha-{story}" for story in ("s0", "s1", "s2", "s3", "s4")}


def of_one(model, area, validated):
    """The result of one model in one area, of one target: r over a ceiling of .5."""
    place = "left/1" if area == "language" else "left/2"
    target = {"target": [f"P3/{place}"]}
    coords = {**target, "participant": ("target", ["P3"]), "n_repeats": ("target", [4])}
    fit = {story: HEARD[story] for story in PARTS["fit"]}
    layer = 2 if area == "language" else 3
    decisions = [
        Decision("regions", "one area", "passed as targets="),
        Decision("layer", str(layer), "best score", "chosen", fit, ("P3",)),
        Decision("weights", "RidgeCV", "regression", "fitted", fit, ("P3",)),
        Decision("ceiling", "from repeats", "", "divisor", {"s4": HEARD["s4"]}, ("P3",)),
    ]
    tables = {"layers": pd.DataFrame(
        {"layer": [2, 3], "score": [0.1, 0.2], "model": model, "chosen": [layer == 2, layer == 3]}
    )}  # fmt: skip
    if model == "multi-tuned":
        people = ("P1", "P2")
        tuned = {story: HEARD[story] for story in PARTS["tune"]}
        decisions += [
            Decision("features", "BrainTunedFeatures", "tuning", "fitted", tuned, people),
            Decision("epoch", "2", "best of 3", "chosen", {validated: HEARD[validated]}, people),
        ]
        tables["training"] = pd.DataFrame({"epoch": [1, 2, 3], "kept": [0, 1, 0]})
    limit = {"ceiling": ("target", [0.5]), "ceiling_squared": ("target", [0.25])}
    return ek.Result(
        "one",
        xr.DataArray(
            [[R[model, area]]], dims=("model", "target"), coords={"model": [model], **coords}
        ),
        ceiling=xr.Dataset({**limit, "n_repeats": ("target", [4])}, coords=target),
        tables=tables,
        decisions=tuple(decisions),
        provenance={
            "fit": {"stimuli": fit},
            "test": {"stimuli": {"s4": HEARD["s4"]}, "participants": ["P3"]},
            "models": {model: [{"class": "RidgeCV", "parameters": {}}]},
        },
    )


def of_all(validated="s1", areas=("language", "auditory")):
    models = ["pretrained", "multi-tuned"]
    content = {"title": "", "seed": 1, "score": {"by": ["participant"]}, "split": PARTS}
    work = SimpleNamespace(
        models=models, areas=dict.fromkeys(areas), has_areas=len(areas) > 1, content=content,
        study=SimpleNamespace(name="toy", describe=lambda: "a toy"),
    )  # fmt: skip
    found = {
        (model, area): of_one(model, "language" if area == "all" else area, validated)
        for model in models
        for area in areas
    }
    return joined(work, found)


def test_the_result_scores_as_its_table_does(tmp_path):
    result = of_all()
    assert result.groups == ["language", "auditory"]
    table = result.table().set_index(["model", "group"]).score
    assert table["multi-tuned", "language"] == pytest.approx(0.7)
    assert table["pretrained", "auditory"] == pytest.approx(0.6)
    rows = result.tables["scores"]
    assert list(rows)[:4] == ["model", "area", "participant", "score"]
    np.testing.assert_allclose(rows.score, [0.5, 0.6, 0.7, 0.8])
    assert rows.layer.tolist() == [2, 3, 2, 3]
    back = ek.Result.load(result.save(tmp_path / "report.nc"))
    pd.testing.assert_frame_equal(back.table(), result.table())


def test_its_decisions_are_not_the_tests_and_a_planted_one_is_told():
    table = ek.audit(of_all()).set_index("what")
    assert set(table.verdict) == {"ok"}
    assert (table.value["epoch (multi-tuned)"], table.runs["epoch (multi-tuned)"]) == ("2", "s1")
    assert table.participants["features (multi-tuned)"] == "P1, P2"
    leaky = ek.audit(of_all(validated="s4"))
    assert leaky.query("verdict == 'TEST DATA'").what.tolist() == ["epoch (multi-tuned)"]


def test_a_decision_is_named_by_its_area_where_areas_differ():
    table = ek.audit(of_all()).set_index("what")
    assert table.value["layer (multi-tuned, auditory)"] == "3"
    assert table.value["layer (multi-tuned, language)"] == "2"
    assert table.index.is_unique
    assert {"weights (pretrained)", "weights (multi-tuned)", "ceiling", "regions"} <= set(
        table.index
    )
    assert table.value["regions"] == "language, auditory"


def test_without_areas_there_is_no_column_of_them():
    result = of_all(areas=("all",))
    assert result.groups == []
    assert list(result.tables["scores"])[:3] == ["model", "participant", "score"]
    assert list(result.tables["layers"]) == ["model", "layer", "score", "chosen"]
    np.testing.assert_allclose(result.tables["scores"].score, [0.5, 0.7])
    audited = ek.audit(result).set_index("what")
    assert audited.value["layer (multi-tuned)"] == "2"
    assert audited.value["regions"] == "none: all targets"
    assert result.tables["training"].kept.tolist() == [False, True, False]
