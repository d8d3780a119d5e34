"""The demo's comparison as a Result: what decided what, on which stories and people."""

from collections.abc import Iterator
from typing import Any

import xarray as xr
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.reports import Decision, describe_study, environment, heard_in, recorded_steps
from encodekit_brain_tuning._experiment import AREAS, Comparison, Settings
from encodekit_brain_tuning._extractor import BrainTunedFeatures

SEARCHED = "best score over left-out fit stories"


def as_result(study: Any, found: Comparison, settings: Settings, *, seed: int) -> ek.Result:
    """Return the comparison with its decisions, ready to be saved, audited and described."""
    parts = {
        part: study.select(found.splits[part], found.splits["held out"]) for part in ("fit", "test")
    }
    maps = found.maps.drop_vars(["raw", "ceiling", "ceiling_squared", "signal_share"],
                                errors="ignore")  # fmt: skip
    one = found.maps.isel(model=0)
    area = one.coords["area"].values
    return ek.Result(
        f"{study.name}, seed {seed}",
        maps.copy(data=found.maps.coords["raw"].values),
        ceiling=xr.Dataset(
            {
                "ceiling": ("target", one.coords["ceiling"].values),
                "ceiling_squared": ("target", one.coords["ceiling_squared"].values),
                "n_repeats": ("target", one.coords["n_repeats"].values),
            },
            coords={"target": one.coords["target"].values},
        ),
        regions=xr.DataArray(
            [area == name for name in AREAS],
            dims=("group", "target"),
            coords={"group": list(AREAS), "target": one.coords["target"].values},
        ),
        tables={"layers": found.layers},
        decisions=tuple(_decisions(study, found, settings)),
        provenance={
            **{name: describe_study(part) for name, part in parts.items()},
            "models": {
                model: _steps(model, found, settings) for model in found.table.model.unique()
            },
            "seed": seed,
            "versions": environment(),
        },
    )


def _decisions(study: Any, found: Comparison, settings: Settings) -> Iterator[Decision]:
    heard = {part: heard_in(study.select(found.splits[part])) for part in
             ("tune", "validate", "fit", "test")}  # fmt: skip
    held_out = tuple(found.splits["held out"])
    yield Decision("regions", ", ".join(AREAS.values()), "written in the demo")
    yield Decision("loss", str(settings.tuning.get("loss", "l2")), "frozen on development seeds")
    for model, history in found.histories.items():
        people = tuple(found.splits["tuned"][: 1 if model == "single-tuned" else settings.n_tuned])
        kept = int(history.loc[history["kept"], "epoch"].iloc[0])
        best = "highest r on the validation stories, the start unless by more than chance"
        yield Decision(f"features ({model})", settings.backbone, "tuning", "fitted", heard["tune"],
                       people)  # fmt: skip
        yield Decision(f"epoch ({model})", str(kept), best, "chosen", heard["validate"], people)
    layers = found.table[["model", "area", "layer"]].drop_duplicates()
    for row in layers.itertuples():
        what = f"layer ({row.model}, {row.area})"
        yield Decision(what, str(row.layer), SEARCHED, "chosen", heard["fit"], held_out)
    yield Decision("alpha", "one per target", SEARCHED, "chosen", heard["fit"], held_out)
    yield Decision("weights", "RidgeCV", "regression", "fitted", heard["fit"], held_out)
    yield Decision("ceiling", "from repeats", "noise_ceiling", "divisor", heard["test"], held_out)


def _steps(model: str, found: Comparison, settings: Settings) -> list[dict[str, Any]]:
    features: Any = ek.SpeechFeatures(settings.backbone, layer="all")
    if model in found.histories:
        features = BrainTunedFeatures(settings.backbone, layer="all", **settings.tuning)
    road = make_pipeline(
        features,
        ek.Delayer(seconds=list(settings.delays)),
        ek.RunScaler(),
        ek.LayerSelector(ek.RidgeCV(alphas=list(settings.alphas))),
    )
    steps: list[dict[str, Any]] = recorded_steps(road)
    if model in found.histories:
        n = 1 if model == "single-tuned" else settings.n_tuned
        steps[0]["tuned_participants"] = found.splits["tuned"][:n]
    if model == "shuffled-tuned":
        block = settings.shuffled_block
        steps[0]["note"] = f", a control: shuffled between stories in blocks of {block} TRs"
    return steps
