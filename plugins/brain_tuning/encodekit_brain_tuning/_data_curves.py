"""How much of a new participant's data each model needs, over simulated cohorts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import split_runs
from encodekit_brain_tuning._experiment import (
    AREAS,
    MODELS,
    Settings,
    pretrained_features,
    split_stories,
    tuned_model,
)
from encodekit_brain_tuning._glasser import GlasserSelector


@dataclass(frozen=True)
class CurveSettings:
    """Sizes (stories that fit the ridge) and how many random subsets there are of each."""

    experiment: Settings
    sizes: tuple[int, ...] = (2, 3, 4, 6, 10, 15)
    n_subsets: int = 5
    area: str = "language"


def curve_cohort(
    seed: int,
    settings: CurveSettings,
    models: Sequence[str] = MODELS,
    threads: int | None = None,
    **simulated: Any,
) -> pd.DataFrame:
    """Return `encodekit.learning_curve` over the fit stories of every held-out person.

    Each person's ridge, penalties and layer are chosen on that person's own subset of stories.
    Columns ``cohort`` and ``model`` are added; every model gets the same subsets. A model whose
    tuning kept the pretrained weights has the pretrained features' curve, which comes first.
    """
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    experiment = replace(settings.experiment, n_fit=max(settings.sizes))
    study = ek.simulate_study(seed=seed, cache=False, **simulated)
    parts = study.split(**split_stories(study, experiment))
    held_out = list(study.participants)[experiment.n_tuned :]
    asked = {"participants": held_out, "regions": GlasserSelector(AREAS[settings.area])}
    true = parts.test.responses(**asked)
    ceiling = ek.noise_ceiling(parts.test.repeats(**asked))
    curves: dict[str, pd.DataFrame] = {}
    for model in models:
        if model == "pretrained":
            extractor: Any = pretrained_features(experiment)
        else:
            extractor = tuned_model(
                model, experiment, parts.tune, parts.validate, random_state=seed
            )
            if extractor.kept_pretrained_ and "pretrained" in curves:
                curves[model] = curves["pretrained"].assign(model=model)
                continue
        fit, test = (_prepared(extractor, part, experiment) for part in (parts.fit, parts.test))

        def score(fitted: Any, test: Any = test) -> Any:
            return ek.normalise(ek.correlation(true, fitted.predict(test)), ceiling)

        curve = ek.learning_curve(
            ek.LayerSelector(ek.RidgeCV(alphas=experiment.alphas), by="participant"),
            split_runs(fit),
            parts.fit.responses(**asked),
            evaluate=score,
            sizes=settings.sizes,
            n_subsets=settings.n_subsets,
            random_state=seed,
        )
        curves[model] = curve.assign(model=model, cohort=seed)
    joined: pd.DataFrame = pd.concat(curves.values(), ignore_index=True)
    return joined


def _prepared(extractor: Any, part: Any, experiment: Settings) -> Any:
    """Return delayed and z-scored features; both stay within a run, so runs can be left out."""
    steps = make_pipeline(ek.Delayer(seconds=list(experiment.delays)), ek.RunScaler())
    return steps.fit_transform(extractor.transform(part.stimuli))
