"""Compare speech features on people and stories that no tuning has seen.

Four disjoint sets of stories: ``tune`` and ``validate`` for the tuned people, ``fit`` for the
ridge and the choice of its layer, ``test`` for the scores. The ridge, the layer and the scores are
those of held-out people: nobody whose fMRI tuned a model is scored.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit_brain_tuning._controls import shuffle_blocks
from encodekit_brain_tuning._extractor import BrainTunedFeatures
from encodekit_brain_tuning._glasser import GlasserSelector
from encodekit_brain_tuning._kept import PretrainedKeptWarning

Say = Callable[[str], None]
AREAS = {"language": "late_language", "auditory": "early_auditory"}
MODELS = ("pretrained", "single-tuned", "multi-tuned", "shuffled-tuned")


@dataclass(frozen=True)
class Settings:
    """All that decides an experiment's result beside the study; frozen before cohorts are run."""

    backbone: str = "tiny"
    n_tuned: int = 4
    n_validate: int = 2
    n_fit: int = 4
    delays: tuple[float, ...] = (2.0, 4.0, 6.0, 8.0)
    alphas: tuple[float, ...] = tuple(np.logspace(0, 7, 15))
    shuffled_block: int = 10
    tuning: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """What an experiment found.

    Attributes
    ----------
    table : DataFrame
        One row per model, area and held-out participant: ``raw`` (mean r), ``ceiling``, ``score``
        (mean r over the root mean square ceiling) and the ``layer`` that the training runs chose.
    maps : DataArray (model, target)
        Normalised score of every target of the held-out people.
    layers : DataFrame
        Cross-validated r inside the training runs, per model, area and layer.
    histories : dict of str to DataFrame
        Training and validation loss of each tuned model.
    splits : dict of str to list of str
        Which stories did what; and who was tuned on and who was held out.
    """

    table: pd.DataFrame
    maps: xr.DataArray
    layers: pd.DataFrame
    histories: dict[str, pd.DataFrame]
    splits: dict[str, list[str]]

    def mean(self, area: str = "language") -> pd.Series:
        """Return each model's mean normalised score over held-out people in one area."""
        rows = self.table[self.table["area"] == area]
        return rows.groupby("model", sort=False)["score"].mean()


def split_stories(study: Any, settings: Settings) -> dict[str, list[str]]:
    """Return the names of the stories that tune, validate, fit and test.

    The test stories are the study's own, which have repeats; the last of the others fit the ridge,
    the ones before them validate, and all that are left tune.
    """
    test = list(study.truth.attrs["test_stories"])
    names = [stimulus.name for stimulus in study.stimuli if stimulus.name not in test]
    n_tune = len(names) - settings.n_validate - settings.n_fit
    if n_tune < 1:
        raise ValueError(
            f"study {study.name!r} has {len(names)} stories beside those for the test; "
            f"{settings.n_validate} validate and {settings.n_fit} fit the ridge, so none is left "
            "to tune on: simulate more stories or lower n_validate and n_fit"
        )
    n_seen = n_tune + settings.n_validate
    return {
        "tune": names[:n_tune],
        "validate": names[n_tune:n_seen],
        "fit": names[n_seen:],
        "test": test,
    }


def tuned_model(
    model: str,
    settings: Settings,
    tune: Any,
    validate: Any,
    *,
    random_state: int,
) -> BrainTunedFeatures:
    """Return the features of one of `MODELS` that is tuned, fitted on the tuning stories."""
    people = tune.participants[: 1 if model == "single-tuned" else settings.n_tuned]
    responses = [part.responses(participants=people) for part in (tune, validate)]
    if model == "shuffled-tuned":
        responses = [
            shuffle_blocks(runs, block=settings.shuffled_block, random_state=random_state)
            for runs in responses
        ]
    extractor = BrainTunedFeatures(
        settings.backbone,
        targets=GlasserSelector(list(AREAS.values())),
        layer="all",
        random_state=random_state,
        **settings.tuning,
    )
    with warnings.catch_warnings():  # the report says whose weights were kept
        warnings.simplefilter("ignore", PretrainedKeptWarning)
        return extractor.fit(
            tune.stimuli, responses[0], validation=(validate.stimuli, responses[1])
        )


def pretrained_features(settings: Settings) -> ek.SpeechFeatures:
    """Return the features before tuning, read as those of a model tuned on streamed windows are.

    Windows and resampling are the same, so that a difference is one of weights.
    """
    windows = {
        name: settings.tuning[name] for name in ("chunk", "overlap") if name in settings.tuning
    }
    return ek.SpeechFeatures(
        settings.backbone, layer="all", resample=BrainTunedFeatures.resample, **windows
    )


def evaluate(
    extractor: ek.FeatureExtractor,
    fit: Any,
    test: Any,
    settings: Settings,
    areas: Mapping[str, Any],
) -> tuple[list[xr.DataArray], list[pd.DataFrame]]:
    """Return normalised scores and the layer profile of each area, for the people of ``fit``."""
    fit_features = extractor.transform(fit.stimuli)
    test_features = extractor.transform(test.stimuli)
    ridge = ek.RidgeCV(alphas=settings.alphas)
    road = make_pipeline(
        ek.Delayer(seconds=list(settings.delays)), ek.RunScaler(), ek.LayerSelector(ridge)
    )
    scores, layers = [], []
    for area, selector in areas.items():
        model = clone(road).fit(fit_features, fit.responses(regions=selector))
        chosen = model[-1]
        raw = ek.correlation(test.responses(regions=selector), model.predict(test_features))
        ceiling = ek.noise_ceiling(test.repeats(regions=selector))
        normalised = ek.normalise(raw, ceiling)
        scores.append(normalised.assign_coords(area=("target", [area] * raw.sizes["target"])))
        profile = chosen.layer_scores_.mean("target").to_series().rename("score").reset_index()
        layers.append(profile.assign(area=area, chosen=profile["layer"] == chosen.best_layer_))
    return scores, layers


def compare_models(
    study: Any,
    settings: Settings,
    *,
    models: Iterable[str] = MODELS,
    random_state: int = 0,
    say: Say | None = None,
) -> Comparison:
    """Tune, fit and score ``models`` on one study; see the module's first lines for the rules.

    Parameters
    ----------
    study : Study
        At least ``settings.n_tuned + 1`` participants; the last stories have repeats.
    settings : Settings
    models : iterable of str
        Some of `MODELS`.
    random_state : int
        Seed of tuning and of the shuffled control.
    say : callable
        Told what is being done.

    Raises
    ------
    ValueError
        If a model is unknown, or stories or participants are too few.
    """
    splits = split_stories(study, settings)
    parts = study.split(**splits)
    people = list(study.participants)
    splits |= {"tuned": people[: settings.n_tuned], "held out": people[settings.n_tuned :]}
    if not splits["held out"]:
        raise ValueError(
            f"study {study.name!r} has {len(people)} participants and {settings.n_tuned} are "
            "tuned on: nobody is left to score"
        )
    fit = parts.fit.select(participants=splits["held out"])
    test = parts.test.select(participants=splits["held out"])
    areas = {area: GlasserSelector([group]) for area, group in AREAS.items()}
    maps, layers, histories = {}, [], {}
    tell = say or (lambda _: None)
    for model in models:
        if model not in MODELS:
            raise ValueError(f"unknown model {model!r}: expected one of {', '.join(MODELS)}")
        tell(f"{model}: " + ("reading the stories" if model == "pretrained" else "tuning"))
        if model == "pretrained":
            extractor: ek.FeatureExtractor = pretrained_features(settings)
        else:
            extractor = tuned_model(
                model, settings, parts.tune, parts.validate, random_state=random_state
            )
            histories[model] = extractor.history_
        tell(f"{model}: ridge for {len(splits['held out'])} held-out participants")
        scores, profile = evaluate(extractor, fit, test, settings, areas)
        maps[model] = scores
        layers += [rows.assign(model=model) for rows in profile]
    return Comparison(
        table=_table(maps, layers),
        maps=xr.concat(
            [xr.concat(scores, "target") for scores in maps.values()],
            pd.Index(list(maps), name="model"),
        ),
        layers=pd.concat(layers, ignore_index=True),
        histories=histories,
        splits=splits,
    )


def _table(maps: Mapping[str, list[xr.DataArray]], layers: list[pd.DataFrame]) -> pd.DataFrame:
    """Return one row per model, area and participant, with the layer that was chosen."""
    rows = [
        ek.by_region(scores, by=["area", "participant"]).assign(model=model)
        for model, areas in maps.items()
        for scores in areas
    ]
    chosen = pd.concat(layers).query("chosen")[["model", "area", "layer"]]
    table: pd.DataFrame = pd.concat(rows, ignore_index=True).merge(chosen, on=["model", "area"])
    return table
