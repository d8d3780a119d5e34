"""What is tuned on what: the arms of the suite, over cohorts of simulated people.

A `World` says how its cohorts are simulated and how its backbone is tuned; an `Arm` says in what a
tuning differs from the world's. Weights are those of a fixed last step. Validation runs are real
fMRI in every arm, controls too, and only look on: they say what a gate would have kept.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import encodekit as ek
from encodekit.data import RunList, Study
from encodekit.features import cache_folder
from encodekit_brain_tuning import (
    BrainTunedFeatures,
    LanguageModelLayers,
    StimulusTunedFeatures,
    Streamed,
    Training,
    untrained_backbone,
)
from encodekit_brain_tuning.baselines import CONTROLS

TUNED_ON = ("P1", "P2", "P3", "P4")
HELD_OUT = ("P5", "P6", "P7", "P8")
LANGUAGE_MODEL = "language model"  # all-MiniLM-L6-v2, in a folder given on the command line
MODEL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # its weights
MODEL_LAYER = 6
_CODE = 1  # raise it where a change of the library changes what an arm gives


@dataclass(frozen=True)
class Arm:
    """One way to tune.

    Attributes
    ----------
    people : tuple of str
        Whose fMRI.
    stories : int
        How many of the tuning stories: the first ones.
    learns : str
        ``"fmri"``, ``"audio"`` (the backbone's own loss) or ``"language model"``.
    control : str, optional
        One of ``CONTROLS``: what is done to the fMRI that tunes.
    untrained : bool
        Whether the backbone begins at random weights.
    steps : int
        Multiple of the world's optimizer steps; 0 leaves the backbone as it is.
    tuning : dict
        Parameters of `BrainTunedFeatures` that differ, as of its ``set_params``.
    """

    people: tuple[str, ...] = TUNED_ON
    stories: int = 8
    learns: str = "fmri"
    control: str | None = None
    untrained: bool = False
    steps: int = 1
    tuning: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sizes:
    """How many stories tune, validate and fit; the others test."""

    tune: int
    validate: int
    fit: int


@dataclass(frozen=True)
class World:
    """A kind of cohort, and how a model is tuned on it.

    Attributes
    ----------
    name : str
    simulate : callable
        From a seed, and what is in ``simulated``, to a study.
    simulated : dict
    sizes : Sizes
    backbone : str
    steps : int
        Of the optimizer, in every arm.
    tuning : dict
        Parameters of `BrainTunedFeatures`, as of its ``set_params``.
    read : Streamed
        Windows in which every model is read, before and after tuning.
    areas : dict
        Selectors by name, each scored apart.
    targets : selector or list of str
        What is tuned on.
    """

    name: str
    simulate: Callable[..., Study]
    simulated: Mapping[str, Any]
    sizes: Sizes
    backbone: str
    steps: int
    tuning: Mapping[str, Any]
    read: Streamed
    areas: Mapping[str, Any]
    targets: Any

    def key(self, arm: Arm) -> str:
        """Return what identifies an arm's tuned weights, beside the cohort."""
        parts = [_CODE, {k: v for k, v in vars(self).items() if k != "simulate"}, vars(arm)]
        parts += [MODEL_SHA256, MODEL_LAYER] if arm.learns == LANGUAGE_MODEL else []
        text = json.dumps(as_json(parts), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def as_json(value: Any) -> Any:
    """Return a setting as what JSON writes, with every parameter, defaults too."""
    if hasattr(value, "get_params"):
        return [type(value).__name__, as_json(value.get_params(deep=False))]
    if isinstance(value, Sizes):
        return as_json(vars(value))
    if isinstance(value, Mapping):
        return {str(key): as_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(part) for part in value]
    return value


@dataclass(frozen=True)
class Cohort:
    """One simulated cohort, cut by story into what tunes, validates, fits and tests."""

    world: World
    seed: int
    parts: Any

    @classmethod
    def simulate(cls, world: World, seed: int) -> "Cohort":
        """Simulate it; the stories that test are those with repeats."""
        study = world.simulate(seed, **world.simulated)
        test = list(study.truth.attrs["test_stories"])
        others = iter([run for run in study.runs if run not in test])
        named = {k: [next(others) for _ in range(n)] for k, n in asdict(world.sizes).items()}
        return cls(world, seed, study.split(**named, test=test))

    def tuning_data(self, arm: Arm) -> tuple[list[Any], RunList, tuple[list[Any], RunList]]:
        """Return stimuli, responses, and the (stimuli, responses) that validate."""
        tune, validate = self.parts.tune, self.parts.validate
        asked = {"participants": list(arm.people)}
        responses, held = tune.responses(**asked)[: arm.stories], validate.responses(**asked)
        if arm.control:  # of the stories that tune: no others' fMRI
            responses = CONTROLS[arm.control](responses, random_state=self.seed)
        return tune.stimuli[: arm.stories], responses, (validate.stimuli, held)

    def tuned(self, arm: Arm, folder: Path | None = None, language_model: str = "") -> Any:
        """Return the features of an arm, tuned; from ``folder`` where it was tuned before."""
        world = self.world
        name = untrained(world.backbone, self.seed) if arm.untrained else world.backbone
        if not arm.steps:
            return ek.SpeechFeatures(name, layer="all", resample="mean", windows=world.read)
        path = None if folder is None else folder / f"{world.name}-{self.seed}-{world.key(arm)}"
        if path is not None and path.is_dir():
            kind = BrainTunedFeatures if arm.learns == "fmri" else StimulusTunedFeatures
            return self._to_read(kind.load(path))
        extractor = self._fitted(arm, name, language_model)
        if path is not None:
            extractor.save(path)
        return self._to_read(extractor)

    def _to_read(self, extractor: Any) -> Any:
        """Return an extractor that reads in the windows of all, and what no arm tunes once."""
        return extractor.set_params(windows=self.world.read, runtime__stem_cache="auto")

    def _fitted(self, arm: Arm, backbone: str, language_model: str) -> Any:
        world, steps = self.world, self.world.steps * arm.steps
        training = Training(
            budget=("steps", steps), validate_every=steps, patience=None, keep="last"
        )
        extractor: Any = BrainTunedFeatures(
            backbone, layer="all", random_state=self.seed, training=training,
            targets=world.targets,
        )  # fmt: skip
        # exact windows have no chunk
        apart = any(name.startswith("windows") for name in arm.tuning)
        common = {k: v for k, v in world.tuning.items() if not (apart and k.startswith("windows"))}
        extractor.set_params(**{**common, **arm.tuning})
        stimuli, responses, validation = self.tuning_data(arm)
        if arm.learns == "fmri":
            extractor.fit(stimuli, responses, validation=validation)
        else:
            objective = None
            if arm.learns == LANGUAGE_MODEL:
                check_language_model(Path(language_model))
                objective = LanguageModelLayers(language_model, MODEL_LAYER)
            extractor = StimulusTunedFeatures.like(extractor, objective)
            extractor.fit(stimuli, validation=validation[0])
        return extractor


def check_language_model(folder: Path) -> None:
    """Refuse a folder that holds other weights than all-MiniLM-L6-v2's.

    Raises
    ------
    ValueError
        With both sums.
    """
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if found != MODEL_SHA256:
        raise ValueError(
            f"{folder}/model.safetensors has sha256 {found}, expected all-MiniLM-L6-v2 with "
            f"{MODEL_SHA256}: fetch it by benchmarks/paper/fetch_minilm.py"
        )


@cache
def untrained(backbone: str, seed: int) -> str:
    """Return the folder of an untrained backbone."""
    folder = cache_folder("auto", "paper")
    assert folder is not None
    return untrained_backbone(backbone, folder / f"untrained-{backbone}-{seed}", seed)
