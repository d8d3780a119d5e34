"""The paragraph of a methods section, from what was run."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from encodekit.reports._markup import as_code, as_written
from encodekit.reports._result import Result

# name cited: (as it stands in the text, as it stands in the list)
REFERENCES = {
    "wav2vec2": ("Baevski et al., 2020", "Baevski et al. (2020). wav2vec 2.0: A framework for "
                 "self-supervised learning of speech representations. NeurIPS 33."),
    "hubert": ("Hsu et al., 2021", "Hsu et al. (2021). HuBERT: Self-supervised speech "
               "representation learning by masked prediction of hidden units. IEEE/ACM TASLP 29, "
               "3451-3460."),
    "whisper": ("Radford et al., 2023", "Radford et al. (2023). Robust speech recognition via "
                "large-scale weak supervision. ICML."),
    "tuning": ("Moussa & Toneva, 2025", "Moussa & Toneva (2025). Brain-tuning improves "
               "generalizability and efficiency of brain alignment in speech models. NeurIPS. "
               "arXiv:2510.21520."),
    "fir": ("Huth et al., 2016", "Huth et al. (2016). Natural speech reveals the semantic maps "
            "that tile human cerebral cortex. Nature 532, 453-458."),
    "ridge": ("Hoerl & Kennard, 1970", "Hoerl & Kennard (1970). Ridge regression: Biased "
              "estimation for nonorthogonal problems. Technometrics 12, 55-67."),
    "banded": ("Dupré la Tour et al., 2022", "Dupré la Tour et al. (2022). Feature-space selection "
               "with banded ridge regression. NeuroImage 264, 119728."),
    "ceiling": ("Schoppe et al., 2016", "Schoppe et al. (2016). Measuring the performance of "
                "neural models. Frontiers in Computational Neuroscience 10, 10."),
    "fdr": ("Benjamini & Hochberg, 1995", "Benjamini & Hochberg (1995). Controlling the false "
            "discovery rate. JRSS B 57, 289-300."),
}  # fmt: skip
Step = Mapping[str, Any]
Said = tuple[str, tuple[str, ...]]


def methods(result: Result) -> str:
    """Return what a methods section says of this result, with the references it cites.

    Written from the recorded parameters alone: what was not recorded is not claimed.

    Parameters
    ----------
    result : Result
        As `evaluate` returns it.

    Returns
    -------
    str
        Paragraphs with a little Markdown; the references are a list at the end.
    """
    cited: dict[str, None] = {}
    paragraphs = []
    for paragraph in (_data(result), _models(result), _scoring(result), _software(result)):
        sentences = []
        for sentence, keys in paragraph:
            cited |= dict.fromkeys(keys)
            of = "; ".join(REFERENCES[key][0] for key in keys)
            end = ":" if sentence.startswith("Of the model") else "."
            sentences.append(f"{sentence} ({of})." if of else f"{sentence}{end}")
        if sentences:
            paragraphs.append(" ".join(sentences))
    references = "\n".join(f"- {text}" for text in sorted(REFERENCES[key][1] for key in cited))
    return "\n\n".join([*paragraphs, *([f"**References**\n\n{references}"] if references else [])])


def _data(result: Result) -> Iterator[Said]:
    for part, verb in (("fit", "Regressions were fitted on"), ("test", "Scores are from")):
        said = result.provenance.get(part)
        if said:
            n, people = len(said["stimuli"]), len(said["participants"])
            t_r = " and ".join(f"{item:g}" for item in np.atleast_1d(said["t_r"]))
            yield (
                f"{verb} {_count(n, 'run')} ({said['minutes']:.0f} min at a TR of {t_r} "
                f"s) of {_count(people, 'participant')}",
                (),
            )
    if {"fit", "test"} <= set(result.provenance):
        yield "No stimulus, by the content of its audio, is in both", ()


def _models(result: Result) -> Iterator[Said]:
    models: dict[str, list[Step]] = dict(result.provenance.get("models", {}))
    if not models:
        return
    shared = _shared_steps(list(models.values()))
    for name, steps in models.items():
        own = steps[: len(steps) - len(shared)]
        if own and len(models) > 1:
            yield f"Of the model *{as_written(name)}*", ()
        for step in own:
            yield _said(step)
    if shared and len(models) > 1:
        yield "The rest is the same for all models", ()
    for step in shared:
        yield _said(step)


def _shared_steps(models: list[list[Step]]) -> list[Step]:
    """Return the steps with which all models end."""
    shared: list[Step] = []
    for steps in zip(*(reversed(model) for model in models), strict=False):
        if any(step != steps[0] for step in steps):
            break
        shared.insert(0, steps[0])
    return shared


def _said(step: Step) -> Said:
    return _SENTENCES.get(step.get("said_as", step["class"]), _other)(step)


def _speech(step: Step) -> Said:
    model, layer = str(step["parameters"].get("model", "")), step["parameters"].get("layer")
    which = "all hidden layers" if layer in (None, "all") else f"hidden layer {layer}"
    known = [key for key in ("wav2vec2", "hubert", "whisper") if key in model.lower()]
    return f"Features were {which} of the speech model {as_code(model)}, at the TRs", tuple(known)


def _tuned(step: Step) -> Said:
    given = step["parameters"]
    people = step.get("tuned_participants", [])
    model = as_code(given.get("backbone") or given.get("model"))
    return (
        f"The speech model {model} was fine-tuned on the "
        f"fMRI of {_count(len(people), 'participant')} (loss {as_written(given.get('loss'))}, "
        f"{given.get('training__epochs')} epochs at most, learning rate "
        f"{given.get('training__learning_rate')}{_parts_of(given)})"
        f"{step.get('note', '')}",
        ("tuning",),
    )


def _parts_of(given: Mapping[str, Any]) -> str:
    """Name the update, the head and what became of the participants, where these are recorded."""
    named = [given[name] for name in ("update", "head", "participants") if name in given]
    return "".join(f", {as_written(name)}" for name in named)


def _stimulus_tuned(step: Step) -> Said:
    given = step["parameters"]
    objective = given.get("objective") or "the self-supervised loss of its kind"
    return (
        f"The speech model {as_code(given.get('backbone'))} was tuned on the stimuli alone "
        f"({as_written(objective)}, {given.get('training__epochs')} epochs at most, learning rate "
        f"{given.get('training__learning_rate')}{_parts_of(given)})",
        (),
    )


def _delayer(step: Step) -> Said:
    seconds, delays = step["parameters"].get("seconds"), step["parameters"].get("delays")
    if delays is not None:
        return f"They were delayed by {_listed(delays)} TRs (a finite impulse response)", ("fir",)
    shown = _listed(seconds if seconds is not None else [2, 4, 6, 8])
    return f"They were delayed by {shown} s within each run (a finite impulse response)", ("fir",)


def _scaler(_: Step) -> Said:
    return "They were z-scored within each run, with the run's own mean and spread", ()


def _ridge(step: Step) -> Said:
    given = step["parameters"]
    alphas = given.get("alphas") or []
    span = f"{len(alphas)} values from {min(alphas):g} to {max(alphas):g}" if alphas else "a list"
    how = "for all targets" if given.get("single_alpha") else "for each target"
    left = "leaving stimuli out" if given.get("cv") is None else f"cross-validation ({given['cv']})"
    return (
        f"Responses were predicted by ridge regression; its penalty was chosen {how} from {span} "
        f"by {left} within the training runs",
        ("ridge",),
    )


def _banded(_: Step) -> Said:
    return (
        "Responses were predicted by banded ridge regression, with a penalty for each feature "
        "space and target, chosen within the training runs",
        ("banded",),
    )


def _layers(step: Step) -> Said:
    by = {"all": "all targets", "participant": "each participant", "target": "each target"}
    inner = step.get("estimator")
    ridge = _ridge(inner)[0] if inner else "Responses were predicted by ridge regression"
    return (
        f"{ridge}; the layer was chosen for {by[step['parameters'].get('by', 'all')]} by the same "
        "scores",
        ("ridge",),
    )


def _other(step: Step) -> Said:
    given = ", ".join(f"{name}={value}" for name, value in step["parameters"].items())
    called = as_code(f"{step['class']}({given})")
    return f"Then {called} of {as_written(step['module'])}", ()


_SENTENCES: dict[str, Callable[[Step], Said]] = {
    "SpeechFeatures": _speech,
    "BrainTunedFeatures": _tuned,
    "StimulusTunedFeatures": _stimulus_tuned,
    "Delayer": _delayer,
    "RunScaler": _scaler,
    "RidgeCV": _ridge,
    "BandedRidgeCV": _banded,
    "LayerSelector": _layers,
}


def _scoring(result: Result) -> Iterator[Said]:
    metric = result.scores.attrs.get("metric", "correlation")
    yield (
        "The score of a target is Pearson's correlation of response and prediction within runs, "
        "averaged over runs by their length"
        if metric == "correlation"
        else f"The score of a target is {as_code(metric)} of response and prediction",
        (),
    )
    if result.ceiling is not None:
        n = sorted({int(k) for k in result.ceiling["n_repeats"].values})
        yield (
            f"It was divided by the noise ceiling of the mean of {_listed(n)} repeats, not "
            "clipped; a region's score is its mean correlation over the root of its mean squared "
            "ceiling",
            ("ceiling",),
        )
    if result.groups:
        named = ", ".join(as_written(name.replace("_", " ")) for name in result.groups)
        yield f"Regions ({named}) were fixed before there were scores", ()
    if result.tests is not None:
        drawn = int(result.tests.attrs["n_permutations"])
        null = _NULLS[str(result.tests.attrs["null"])]
        yield (
            f"Significance over stimulus is from {drawn:,} {null} of the "
            "predictions within runs, the same for all participants, with control of the false "
            "discovery rate",
            ("fdr",),
        )


_NULLS = {
    "phase": "randomisations of the Fourier phases",
    "sign": "randomisations of the signs of the cosine coefficients",
    "shift": "circular shifts",
    "block": "permutations of blocks",
}


def _software(result: Result) -> Iterator[Said]:
    versions = result.provenance.get("versions", {})
    named = [f"{name} {versions[name]}" for name in _PACKAGES if name in versions]
    if named:
        yield f"Computed with {', '.join(named)}", ()


_PACKAGES = ("encodekit", "encodekit-brain-tuning", "scikit-learn", "transformers", "torch")


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")


def _listed(values: Any) -> str:
    texts = [f"{value:g}" if isinstance(value, int | float) else str(value) for value in values]
    return texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + f" and {texts[-1]}"
