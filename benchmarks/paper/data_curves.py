"""How much of a new participant's data each model needs, over simulated cohorts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from demo_file import (
    COHORT,
    HELD_OUT,
    MODELS,
    area,
    features_of,
    prepared,
    ridge,
    split_stories,
)

import encodekit as ek
from encodekit.data import split_runs


@dataclass(frozen=True)
class CurveSettings:
    """Sizes (stories that fit the ridge) and how many random subsets there are of each."""

    sizes: tuple[int, ...] = (2, 3, 4, 6, 10, 15)
    n_subsets: int = 5
    area: str = "language"


def curve_cohort(
    seed: int,
    settings: CurveSettings = CurveSettings(),
    models: Sequence[str] = MODELS,
    threads: int | None = None,
    **simulated: Any,
) -> pd.DataFrame:
    """Return `encodekit.learning_curve` over the fit stories of every held-out person.

    Each person's ridge, penalties and layer are chosen on that person's own subset of stories.
    ``simulated`` is over the cohort of the demo's file. Columns ``cohort`` and ``model`` are added;
    every model gets the same subsets. A model whose
    tuning kept the pretrained weights has the pretrained features' curve, which comes first.
    """
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    study = ek.simulate_study(seed=seed, cache=False, **{**COHORT, **simulated})
    parts = study.split(**split_stories(study, n_fit=max(settings.sizes)))
    asked = {"participants": HELD_OUT, "regions": area(settings.area)}
    true = parts.test.responses(**asked)
    ceiling = ek.noise_ceiling(parts.test.repeats(**asked))
    curves: dict[str, pd.DataFrame] = {}
    for model in models:
        extractor = features_of(model, parts, seed)
        if getattr(extractor, "reverted_to_pretrained_", False) and "pretrained" in curves:
            curves[model] = curves["pretrained"].assign(model=model)
            continue
        # Delays and z-scores stay within a run, so runs can be left out afterwards.
        fit, test = (
            prepared().fit_transform(extractor.transform(part.stimuli))
            for part in (parts.fit, parts.test)
        )

        def score(fitted: Any, test: Any = test) -> Any:
            return ek.normalise(ek.correlation(true, fitted.predict(test)), ceiling)

        curve = ek.learning_curve(
            ek.LayerSelector(ridge(), by="participant"),
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
