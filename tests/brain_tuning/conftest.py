import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from encodekit.data import RunList, Stimulus, Study, make_response

RATE = 2000  # Hz; the stem makes 25 frames a second of it
STRIDES = (5, 2, 2, 2, 2)
KERNELS = (10, 3, 3, 2, 2)


def pytest_collection_modifyitems(items):
    """Small random fMRI seldom beats the pretrained model; test_keep.py tests what is said then."""
    mark = pytest.mark.filterwarnings("ignore::encodekit_brain_tuning.RevertedToPretrainedWarning")
    for item in items:
        if Path(__file__).parent in item.path.parents and item.path.name != "test_keep.py":
            item.add_marker(mark, append=False)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ENCODEKIT_CACHE", str(tmp_path / "own-cache"))


@pytest.fixture(scope="session")
def save_backbone():
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model
    from transformers.utils import logging

    def save(folder, seed=0, **changes):
        settings = dict(  # noqa: C408
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
            conv_dim=(8, 8, 8, 16, 16), conv_kernel=KERNELS, conv_stride=STRIDES,
            num_feat_extract_layers=5, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4,
            feat_extract_norm="group", mask_time_prob=0.0, layerdrop=0.0,
        )  # fmt: skip
        logging.disable_progress_bar()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = Wav2Vec2Model(Wav2Vec2Config(**(settings | changes)))
        model.save_pretrained(folder)
        Wav2Vec2FeatureExtractor(sampling_rate=RATE, do_normalize=True).save_pretrained(folder)
        return str(folder)

    return save


@pytest.fixture(scope="session")
def save_whisper():
    """Save a small Whisper that encodes 20 s at once, 12.5 frames a second."""
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    def save(folder):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = WhisperModel(
                WhisperConfig(
                    d_model=32, encoder_layers=3, encoder_attention_heads=2, encoder_ffn_dim=64,
                    decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=32,
                    num_mel_bins=10, max_source_positions=250, vocab_size=20, pad_token_id=0,
                    bos_token_id=1, eos_token_id=2, decoder_start_token_id=3,
                    max_target_positions=8,
                )
            )  # fmt: skip
        model.save_pretrained(folder)
        WhisperFeatureExtractor(feature_size=10, hop_length=640, chunk_length=20).save_pretrained(
            folder
        )

    return save


@pytest.fixture(scope="session")
def backbone_folder(save_backbone, tmp_path_factory):
    return save_backbone(tmp_path_factory.mktemp("backbone"))


@pytest.fixture
def backbone(backbone_folder):
    from encodekit_brain_tuning.backbones import load_backbone

    return load_backbone(backbone_folder, dropout=0.0)


def loudness(seconds, rng):
    """One level per second, as loud as it sounds."""
    return rng.standard_normal(seconds)


@pytest.fixture(scope="session")
def make_story():
    def make(name="story-1", seconds=40, seed=0, **keywords):
        rng = np.random.default_rng(seed)
        level = np.repeat(loudness(seconds, rng), RATE)
        audio = (0.02 * rng.standard_normal(seconds * RATE) * np.exp(level)).astype("float32")
        return Stimulus(name, audio, RATE, **({"t_r": 2.0} | keywords))

    return make


@pytest.fixture(scope="session")
def make_responses():
    def make(stories, people=("P1", "P2"), n_targets=6, noise=0.3, seed=0):
        rng = np.random.default_rng(seed)
        weights = rng.standard_normal(n_targets)
        runs = RunList()
        for story in stories:
            sound = story.load_audio()[: story.n_trs * 2 * RATE]
            heard = np.log(sound.reshape(story.n_trs, -1).std(axis=1))
            delayed = np.convolve(heard - heard.mean(), [0.01, 0.09, 0.33, 0.36, 0.21])
            clean = delayed[: story.n_trs, None] * weights
            parts = [
                make_response(
                    (clean + noise * rng.standard_normal(clean.shape)).astype("float32"),
                    run=story.run_name, participant=person, tr_times=story.grid, t_r=2.0,
                    hemisphere=["left"] * (n_targets - 2) + ["right"] * 2,
                    vertex=np.arange(n_targets), region=["A1", "STSdp"] * (n_targets // 2),
                    space="fsaverage5",
                )
                for person in people
            ]  # fmt: skip
            runs.append(xr.concat(parts, "target", combine_attrs="override"))
        return runs

    return make


@pytest.fixture(scope="session")
def stories(make_story):
    return [make_story(f"story-{n}", seed=n) for n in range(4)]


@pytest.fixture(scope="session")
def responses(stories, make_responses):
    return make_responses(stories)


@pytest.fixture(scope="session")
def study_of():
    """Make a study of stories and the responses of P1 and P2 to them."""

    def make(stories, responses):
        people = {
            person: {
                run["run"].values[0]: run.isel(target=run.participant.values == person)
                for run in responses
            }
            for person in ("P1", "P2")
        }
        return Study("small", stories, people)

    return make


@pytest.fixture
def tuned(backbone_folder):
    """An untuned extractor with settings that tune in about a second; changes may be nested."""
    from encodekit_brain_tuning import AllWeights, BrainTunedFeatures, Runtime, Streamed, Training

    def make(**changes):
        features = BrainTunedFeatures(
            backbone_folder,
            update=AllWeights(),
            windows=Streamed(chunk=16.0),
            training=Training(epochs=2, learning_rate=3e-3, batch_size=4),
            runtime=Runtime(cache=None, device="cpu"),
        )
        return features.set_params(**{"update__dropout": 0.0} | changes)

    return make


@pytest.fixture(scope="session")
def paper():
    """Import modules of benchmarks/paper by name; processes that they start find them too."""
    folder = str(Path(__file__).parents[2] / "benchmarks" / "paper")
    sys.path.insert(0, folder)
    yield importlib.import_module
    sys.path.remove(folder)
