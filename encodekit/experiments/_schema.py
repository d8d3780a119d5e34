"""The pydantic model of an experiment file, and its JSON schema for editors."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Union

from pydantic import Field, create_model

from encodekit.core import MissingExtraError
from encodekit.experiments._parameters import Strict, options_of
from encodekit.plugins import known_names, registry

Names = Mapping[str, Iterable[str]]
_KINDS = ("studies", "features", "regressors", "regions")


class SavedStudy(Strict):
    """A study that ``study.save`` wrote, or a lab's own folder with a ``study.json``."""

    path: str = Field(description="Its folder; from the folder of this file if not absolute.")


class Tune(Strict):
    """What the features of a model are fitted on, where they learn."""

    on: str = Field(default="tune", description="The part of the split.")
    validation: str | None = Field(default=None, description="The part that stops tuning early.")
    participants: list[str] | None = Field(
        default=None, description="Whose responses; all if not given."
    )


class Score(Strict):
    """How predictions are scored."""

    metric: str = Field(default="correlation", description="A registered metric.")
    ceiling: bool = Field(
        default=True, description="Whether to divide by the noise ceiling of repeats."
    )
    by: list[str] = Field(
        default=["participant"], description="Coordinates of the targets kept apart."
    )


def experiment_model(names: Names) -> type[Strict]:
    """Return the model of an experiment that uses registered things of these names, by kind."""
    study, features, regressors, regions = (_one_of(kind, names.get(kind, ())) for kind in _KINDS)
    model = create_model(
        "Model",
        __base__=Strict,
        __doc__="Features, and what they are fitted on where they learn.",
        features=(features, Field(description="A registered feature extractor.")),
        tune=(Tune | None, None),
    )
    made: type[Strict] = create_model(
        "Experiment",
        __base__=Strict,
        __doc__="An encodekit experiment: encodekit run FILE.",
        title=(str, Field("", description="What is asked.")),
        seed=(int, Field(0, description="random_state of every step that takes one.")),
        study=(SavedStudy if study is Strict else study | SavedStudy, ...),
        trim=(
            list[float],
            Field(
                default=[0.0],
                min_length=1,
                max_length=2,
                description="Seconds left out at the start, or at the start and the end, of runs.",
            ),
        ),
        split=(
            dict[str, list[str]],
            Field(min_length=1, description="Stories by part; `fit` and `test` are needed."),
        ),
        participants=(
            list[str] | None,
            Field(default=None, description="Who is fitted and scored."),
        ),
        regions=(
            dict[str, regions] | None,  # type: ignore[valid-type]
            Field(default=None, description="Areas that are fitted and scored each by itself."),
        ),
        models=(dict[str, model], Field(min_length=1)),  # type: ignore[valid-type]
        delays=(list[float] | None, Field(default=None, description="Delays of the features, s.")),
        scale=(bool, Field(False, description="Whether to z-score features within runs.")),
        layers=(bool, Field(False, description="Whether to choose the best layer by training.")),
        regressor=(regressors, ...),
        score=(Score, Score()),
    )
    return made


def _one_of(kind: str, names: Iterable[str]) -> Any:
    options = [options_of(kind, registry().find(kind, name)) for name in names]
    if not options:
        return Strict
    if len(options) == 1:
        return options[0]
    return Annotated[Union[tuple(options)], Field(discriminator="name")]  # noqa: UP007


def experiment_schema() -> dict[str, Any]:
    """Return the JSON schema of experiment files, with the options of all that is registered.

    What lacks an extra is left out.
    """
    usable: Names = {kind: [name for name in known_names(kind) if _loads(kind, name)]
                     for kind in _KINDS}  # fmt: skip
    schema = experiment_model(usable).model_json_schema()
    metrics = schema["$defs"]["Score"]["properties"]["metric"]
    metrics["enum"] = known_names("metrics")
    # a name or a path alone, which `read_experiment` writes out before it checks the rest
    study = schema["properties"]["study"]
    schema["properties"]["study"] = {"anyOf": [{"type": "string"}, study]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _loads(kind: str, name: str) -> bool:
    try:
        registry().load(kind, name)
    except MissingExtraError:
        return False
    return True
