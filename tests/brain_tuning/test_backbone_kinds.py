import numpy as np
import pytest
import torch
from transformers import (
    AutoFeatureExtractor,
    AutoModel,
    Data2VecAudioConfig,
    Data2VecAudioModel,
    HubertConfig,
    HubertModel,
    SEWConfig,
    SEWModel,
    UniSpeechConfig,
    UniSpeechModel,
    UniSpeechSatConfig,
    UniSpeechSatModel,
    Wav2Vec2ConformerConfig,
    Wav2Vec2ConformerModel,
    Wav2Vec2FeatureExtractor,
    WavLMConfig,
    WavLMModel,
)

import encodekit as ek
from encodekit.features import encode_layers, transformer_blocks
from encodekit.features import load_backbone as load_pretrained
from encodekit_brain_tuning import (
    AllWeights,
    BrainTunedFeatures,
    Exact,
    Lora,
    Runtime,
    SharedHead,
    Streamed,
    Training,
)
from encodekit_brain_tuning.backbones import load_backbone, stem_outputs, trained_state

# the small Whisper encodes 20 s at once; test_frozen_blocks.py tests the warning
pytestmark = pytest.mark.filterwarnings("ignore:.*fills every window with silence")
RATE = 2000
KINDS = ["wav2vec2", "wav2vec2-stable", "hubert", "wavlm", "whisper", "conformer", "unispeech",
         "unispeech-sat", "data2vec"]  # fmt: skip
SCALED_LAST = ("whisper", "wav2vec2-stable", "conformer")  # by a last norm, above the last block
AUDIO = np.random.default_rng(0).standard_normal(RATE * 4).astype("float32")


@pytest.fixture(scope="module")
def folders(save_backbone, save_whisper, tmp_path_factory):
    made = {name: tmp_path_factory.mktemp(name) for name in KINDS}
    save_backbone(made["wav2vec2"], num_hidden_layers=3)
    save_backbone(made["wav2vec2-stable"], num_hidden_layers=3, feat_extract_norm="layer",
                  do_stable_layer_norm=True)  # fmt: skip
    for name, model, config in (
        ("hubert", HubertModel, HubertConfig),
        ("wavlm", WavLMModel, WavLMConfig),
        ("conformer", Wav2Vec2ConformerModel, Wav2Vec2ConformerConfig),
        ("unispeech", UniSpeechModel, UniSpeechConfig),
        ("unispeech-sat", UniSpeechSatModel, UniSpeechSatConfig),
        ("data2vec", Data2VecAudioModel, Data2VecAudioConfig),
    ):
        torch.manual_seed(0)
        small = dict(  # noqa: C408
            hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64,
            conv_dim=(8, 16), conv_kernel=(10, 8), conv_stride=(10, 8),
            num_feat_extract_layers=2, num_conv_pos_embedding_groups=4,
            num_conv_pos_embeddings=2 if name == "data2vec" else 8,  # that many convolutions there
        )  # fmt: skip
        model(config(**small)).save_pretrained(made[name])
        Wav2Vec2FeatureExtractor(sampling_rate=RATE).save_pretrained(made[name])
    save_whisper(made["whisper"])
    return {name: str(folder) for name, folder in made.items()}


def stem_of(backbone):
    return dict(stem_outputs(backbone, AUDIO, [(0, AUDIO.size)]))[0][None]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_in_two_parts_is_the_whole_model(folders, kind):
    model, _ = load_pretrained(folders[kind])
    backbone = load_backbone(folders[kind])
    seconds, hidden = encode_layers(
        model, AUDIO, [0, 1, 3], rate=backbone.rate, chunk=10.0, normalise=backbone.normalise
    )
    n_frames = backbone.grid.n_frames(AUDIO.size)
    np.testing.assert_allclose(backbone.grid.centres(0, AUDIO.size), seconds)
    with torch.no_grad():
        again = backbone.layers(stem_of(backbone), [0, 1, 3])
    for layer, values in zip((0, 1, 3), again, strict=True):
        np.testing.assert_allclose(values[0, :n_frames].numpy(), hidden[layer], atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_adapter_of_every_kind_acts_and_learns(folders, kind):
    backbone = load_backbone(folders[kind], dropout=0.0)
    Lora(modules="attention+feed_forward", rank=2).prepare(backbone)
    frames = stem_of(backbone)
    adapters = dict(backbone.named_parameters())
    adapters = {name: p for name, p in adapters.items() if p.requires_grad}
    # a block of a Conformer has two pairs of feed-forward maps
    assert len(adapters) == 3 * (8 if kind == "conformer" else 6) * 2
    before = backbone(frames).detach()
    with torch.no_grad():
        for weight in adapters.values():
            weight.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    after = backbone(frames)
    assert float((after.detach() - before).abs().max()) > 1e-2
    after.square().mean().backward()
    silent = [name for name, weight in adapters.items() if not weight.grad.abs().sum() > 0]
    # softmax does not see what k adds to all keys alike, but every weight has some gradient
    assert silent == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("update", [Lora(rank=2), AllWeights()])
def test_nothing_above_the_pooled_layer_learns_or_is_computed(folders, kind, update):
    backbone = load_backbone(folders[kind], dropout=0.0, pooled_layer=2)
    update.prepare(backbone)
    assert not any(".layers.2." in name for name in trained_state(backbone))
    called = []
    transformer_blocks(backbone.model)[2].register_forward_hook(lambda *_: called.append(2))
    backbone(stem_of(backbone)).square().mean().backward()
    learning = {name: p for name, p in backbone.named_parameters() if p.requires_grad}
    assert all(weight.grad is not None for weight in learning.values())
    assert called == []


@pytest.mark.parametrize("kind", KINDS)
def test_recomputing_in_the_backward_pass_changes_no_gradient(folders, kind):
    gradients = []
    for recompute in (False, True):
        backbone = load_backbone(folders[kind], dropout=0.0, pooled_layer=2).train()
        torch.manual_seed(0)
        if recompute:
            backbone.recompute_in_backward()
        Lora(rank=2).prepare(backbone)
        calls = []
        block = transformer_blocks(backbone.model)[0]
        attention = block.attention if hasattr(block, "attention") else block.self_attn
        attention.register_forward_hook(lambda *_, calls=calls: calls.append(0))
        backbone(stem_of(backbone)).square().mean().backward()
        assert len(calls) == 1 + recompute
        gradients.append([p.grad for p in backbone.parameters() if p.requires_grad])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, again)


@pytest.mark.parametrize(("modules", "n"), [("q_proj", 1), (["v_proj", "k_proj"], 2)])
def test_adapters_go_to_the_linear_maps_that_are_named(folders, modules, n):
    backbone = load_backbone(folders["wavlm"])
    Lora(modules=modules).prepare(backbone)
    assert len(trained_state(backbone)) == 3 * 2 * n


def test_an_unknown_linear_map_is_named_with_what_there_is(folders):
    with pytest.raises(ValueError, match="unknown modules 'q_prj'.*'q_proj'"):
        Lora(modules=["q_prj"]).prepare(load_backbone(folders["hubert"]))


@pytest.mark.parametrize("modules", ["attention", "attention+feed_forward"])
def test_attention_under_other_names_is_refused_with_the_names_there_are(folders, modules):
    backbone = load_backbone(folders["hubert"])
    for block in transformer_blocks(backbone.model):
        block.attention.query = block.attention.q_proj
        del block.attention.q_proj
    found = r"modules='attention.*' finds \[.*'k_proj'.*\] of q, k, v and out in the blocks of "
    with pytest.raises(ValueError, match=rf"{found}HubertModel.*'query'.*Lora\(modules="):
        Lora(modules=modules).prepare(backbone)
    Lora(modules=["query"]).prepare(backbone)
    assert len(trained_state(backbone)) == 3 * 2


def test_blocks_of_squeezed_frames_are_not_tuned(tmp_path):
    config = SEWConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        conv_dim=(8,) * 13, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    SEWModel(config).save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor(sampling_rate=RATE).save_pretrained(tmp_path)
    with pytest.raises(
        TypeError, match=r"SEWModel of .* \(squeeze_factor=2\).*SpeechFeatures reads"
    ):
        load_backbone(str(tmp_path))


@pytest.mark.parametrize("layer", [0, 4])
def test_a_layer_that_no_block_gives_cannot_be_pooled(folders, layer):
    with pytest.raises(ValueError, match="give the layers 1 to 3"):
        load_backbone(folders["hubert"], pooled_layer=layer)


@pytest.mark.parametrize("windows", [Streamed(chunk=16.0), Exact()])
def test_whisper_is_tuned_on_clips_that_silence_fills(folders, stories, responses, windows):
    tuned = BrainTunedFeatures(
        folders["whisper"],
        head=SharedHead(layer=2),
        update=Lora(rank=2),
        windows=windows,
        training=Training(epochs=1, batch_size=8),
        runtime=Runtime(device="cpu", cache=None),
    )
    features = tuned.fit(stories[:1], responses[:1]).transform(stories[3:])
    assert features.shape == (20, 32)
    assert np.unique(features.layer).tolist() == [2]
    assert np.isfinite(features.values).all()


@pytest.fixture(scope="module", params=KINDS)
def merged(request, folders, stories, responses, tmp_path_factory):
    """A tuned extractor of each kind, and the folder of the plain model that it was merged to."""
    tuned = BrainTunedFeatures(
        folders[request.param],
        layer="all",
        update=Lora(rank=2, modules="attention+feed_forward"),
        windows=Streamed(chunk=16.0),
        training=Training(epochs=3, batch_size=4, learning_rate=1e-2),
        runtime=Runtime(cache=None, device="cpu"),
    )
    tuned.fit(stories[:2], responses[:2])  # without validation the last weights stay
    folder = str(tmp_path_factory.mktemp("merged") / "model")
    tuned.merge(folder)
    return request.param, tuned, folder


def plain_hidden_states(kind, folder):
    """What a program that knows transformers alone reads of `AUDIO`."""
    model, info = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert {*info["missing_keys"], *info["unexpected_keys"]} == set()
    reader = AutoFeatureExtractor.from_pretrained(folder)
    given = reader(AUDIO, sampling_rate=reader.sampling_rate, return_tensors="pt")
    encoder = model.get_encoder() if kind == "whisper" else model
    with torch.no_grad():
        states = encoder(**given, output_hidden_states=True).hidden_states
    # Whisper and models with stable norms scale the last one, which the tuned layers are before
    return states[:-1] if kind in SCALED_LAST else states


def test_any_program_reads_the_tuned_hidden_states_of_a_merged_model(merged, folders):
    kind, tuned, folder = merged
    backbone = tuned.model_.backbone
    plain = plain_hidden_states(kind, folder)
    with torch.no_grad():
        own = backbone.layers(backbone.stem_output(AUDIO[None]), list(range(len(plain))))
    for mine, theirs in zip(own, plain, strict=True):
        torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=0)
    before = plain_hidden_states(kind, folders[kind])
    assert float((plain[2] - before[2]).abs().max()) > 1e-3


def test_speech_features_of_a_merged_model_are_the_tuned_ones(merged, stories):
    _, tuned, folder = merged
    rows = ek.SpeechFeatures(
        folder, layer="all", windows=Streamed(16.0), resample="mean", cache=None
    )
    np.testing.assert_allclose(
        rows.transform(stories[3:]).values, tuned.transform(stories[3:]).values, atol=2e-5
    )


def test_a_merged_whisper_keeps_its_decoder(merged, folders):
    kind, _, folder = merged
    if kind == "whisper":
        before, after = (AutoModel.from_pretrained(name) for name in (folders[kind], folder))
        for name, value in before.decoder.state_dict().items():
            assert after.decoder.state_dict()[name].equal(value)
