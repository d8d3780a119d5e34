"""An experiment file is checked whole: every mistake, its line, and what was meant."""

import re

import pytest

from encodekit.experiments import ExperimentError, experiment_schema, read_experiment
from encodekit.experiments._made import value_of
from encodekit.experiments._parameters import described, plain


def mistakes(file, *replacements, changes=()):
    """Return the lines of the message after changing the file."""
    text = file.read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    with pytest.raises(ExperimentError) as caught:
        read_experiment(file, changes)
    first, *lines = str(caught.value).splitlines()
    count = len(lines)
    assert first == f"{file} has {count} mistake{'s' if count > 1 else ''}:"
    return [line.strip() for line in lines]


def test_a_sound_file_is_filled_with_defaults(file):
    content = read_experiment(file).content
    assert content["score"] == {"metric": "correlation", "ceiling": True, "by": ["participant"]}
    assert content["participants"] is None
    assert content["scale"] is False
    assert content["models"]["words"] == {"features": {"name": "word-rate"}}


def test_every_mistake_comes_in_one_message(file):
    told = mistakes(
        file,
        ("seed: 7", "seed: seven"),
        ("title:", "titel:"),
        ("n_stories: 6", "n_storys: 6"),
        ("power: loud", "power: lout"),
        ("name: word-rate", "name: wordrates"),
        ("validation: fit", "validation: fitt"),
        ("delays: [2, 4, 6]", "delays: [2, soon]"),
        ("by: [participant]", "by: [participant], metric: corelation"),
    )
    for line, text in [
        (1, r"unknown option in the file: 'titel': did you mean 'title'\?"),
        (2, "seed is 'seven', expected a whole number"),
        (3, r"unknown option in study: 'n_storys': did you mean 'n_stories'"),
        (10, r"unknown feature extractor 'wordrates': did you mean 'word-rate'"),
        (12, r"unknown models\.tuned\.features\.power: 'lout': did you mean 'loud'"),
        (13, r"unknown part of the split 'fitt': did you mean 'fit'"),
        (14, r"delays\.1 is 'soon', expected a number"),
    ]:
        assert any(re.fullmatch(rf"line {line}: {text}.*", one) for one in told), (line, told)


def test_a_key_that_comes_twice_is_a_mistake(file):
    told = mistakes(file, ("seed: 7", "seed: 7\nseed: 8"))
    assert told == ["line 3: 'seed' comes twice"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("regressor:", "# regressor:", "the file lacks 'regressor'"),
        ("  test: [story-6]\n", "", "line 4: split lacks the part 'test', which is needed"),
        ("{name: word-rate}", "{nome: word-rate}", "line 10: models.words.features lacks 'name'"),
        ("{name: word-rate}", "5", "models.words.features is 5, expected a mapping"),
        ("[0, 4, 5]", "[0, 4]", "line 15: regressor.alphas"),
        ("tune: {", "tune: {of: tune, ", "line 13: unknown option in models.tuned.tune: 'of'"),
        ("name: small, ", "path: x, ", "unknown option in study: 'n_stories'"),
    ],
)
def test_a_mistake_is_told_with_its_line(file, old, new, message):
    assert any(message in line for line in mistakes(file, (old, new)))


def test_a_file_that_is_no_yaml_or_no_mapping_is_refused(file):
    file.write_text("models: [")
    with pytest.raises(ExperimentError, match=r"line 1: it is no YAML: while parsing"):
        read_experiment(file)
    file.write_text("- models")
    with pytest.raises(ExperimentError, match="holds no mapping: it begins with study:"):
        read_experiment(file)


def test_yaml_executes_nothing(file):
    file.write_text("title: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(
        ExperimentError, match="line 1: the tag '!!python/object/apply:os.getcwd' is not one"
    ):
        read_experiment(file)


def test_a_change_is_over_the_file(file):
    changes = ["models.words.features.history=1e1", "score.metric=r2", "delays=null"]
    content = read_experiment(file, changes).content
    assert content["models"]["words"]["features"]["history"] == 10.0
    assert content["score"]["metric"] == "r2"
    assert content["delays"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("delays", r"--set delays: expected key=value, such as regressor\.cv=5"),
        ("modles.a=1", "--set modles.a=1: the file has no 'modles' to set it in"),
        ("delays.0=1", "--set delays.0=1: the file has no 'delays' to set it in"),
        ("delays=[", r"--set delays=\[: it is no YAML: while parsing a flow node"),
        ("regressor.alpas=3", "unknown option in regressor: 'alpas': did you mean 'alphas'"),
    ],
)
def test_a_change_that_cannot_be_is_told(file, change, message):
    assert re.search(message, mistakes(file, changes=[change])[0])


def test_numbers_and_registered_things_stand_for_values():
    from encodekit import RidgeCV

    assert value_of({"logspace": [0, 2, 3]}) == (1.0, 10.0, 100.0)
    (made,) = value_of([{"make": "regressors", "name": "ridge", "cv": 3}])
    assert isinstance(made, RidgeCV)
    assert made.cv == 3


def test_annotations_become_what_yaml_can_hold():
    from collections.abc import Sequence
    from pathlib import Path

    from encodekit.experiments._parameters import Made

    assert plain(Sequence[int] | str | None) == list[int] | str | None
    assert plain(str | Path | None) == str | None
    assert plain(test_annotations_become_what_yaml_can_hold.__class__ | str) == Made | str


def test_docstrings_give_the_words_of_the_options():
    from encodekit import MelSpectrogram

    words = described(MelSpectrogram)
    assert words["n_mels"] == ("int", "Number of bands.")
    assert words["fmin"][1] == words["fmax"][1] == "Hz."
    assert words["cache"] == ("", "As in `FeatureExtractor`.")


def test_the_schema_has_the_options_of_what_is_registered(file):
    schema = experiment_schema()
    level = schema["$defs"]["features__level"]
    assert level["properties"]["power"]["enum"] == ["loud", "quiet"]
    assert level["additionalProperties"] is False
    mel = schema["$defs"]["features__mel"]["properties"]["n_mels"]
    assert mel["description"] == "Number of bands."
    assert mel["default"] == 32
    assert schema["$defs"]["Score"]["properties"]["metric"]["enum"] == ["correlation", "r2"]
