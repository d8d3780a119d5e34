"""Where validation keeps the pretrained weights, everything that shows the model says so."""

import warnings

import pytest

from encodekit.cli import main
from encodekit_brain_tuning import BrainTunedFeatures, PretrainedKeptWarning, _watch

SAID = r"did not beat the pretrained model .* \(r 0?\.?\d.* the weights are the pretrained ones"


def fit(tuned, stories, responses):
    return tuned().fit(stories[:2], responses[:2], validation=(stories[2:], responses[2:]))


@pytest.fixture
def nothing_is_better(monkeypatch):
    monkeypatch.setattr(_watch, "CHANCE", 1e9)


def test_fit_warns_at_the_line_that_called_it(tuned, stories, responses, nothing_is_better):
    with pytest.warns(PretrainedKeptWarning, match=SAID) as caught:
        features = fit(tuned, stories, responses)
    assert caught[0].filename == __file__
    assert features.kept_pretrained_


def test_a_loaded_model_knows_and_its_card_says_so(
    tuned, stories, responses, nothing_is_better, tmp_path
):
    with pytest.warns(PretrainedKeptWarning):
        fit(tuned, stories, responses).save(tmp_path / "model")
    assert BrainTunedFeatures.load(tmp_path / "model").kept_pretrained_
    card = (tmp_path / "model" / "README.md").read_text()
    assert ", with its pretrained weights\n" in card
    assert "the weights are the pretrained ones." in card
    assert "The weights of step 0 were kept, those before tuning." in card
    assert "brain-tuned\n" not in card
    assert "| seed | 0 |" in card


def test_without_validation_the_last_weights_stay_and_nothing_is_said(tuned, stories, responses):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not tuned(epochs=1).fit(stories[:2], responses[:2]).kept_pretrained_


def test_the_command_says_it_once(
    tuned, stories, responses, backbone_folder, nothing_is_better, tmp_path, capsys
):
    from encodekit.data import Study

    people = {
        person: {
            run["run"].values[0]: run.isel(target=run.participant.values == person)
            for run in responses[:3]
        }
        for person in ("P1", "P2")
    }
    Study("small", stories[:3], people).save(tmp_path / "study")
    with pytest.raises(SystemExit) as stopped:
        main(["tune", str(tmp_path / "study"), str(tmp_path / "model"), "--validate", "story-2",
              "--backbone", backbone_folder, "--epochs", "1", "--batch-size", "4"])  # fmt: skip
    said = capsys.readouterr()
    assert not stopped.value.code
    assert " ".join(said.out.split()).count("the weights are the pretrained ones") == 1
    assert "Warning" not in said.err
