"""What lies below all that learns is computed once, and nothing that is learnt differs."""

import shutil

import numpy as np
import pytest
import torch
from torch import nn
from transformers import TrainerCallback

from encodekit.features import Stem, transformer_blocks
from encodekit_brain_tuning import (
    AllWeights,
    Exact,
    HeadOnly,
    Lora,
    Runtime,
    SharedHead,
    Streamed,
    TopBlocks,
    Training,
    Update,
)
from encodekit_brain_tuning.backbones import (
    StemCache,
    hash_tensors,
    load_backbone,
    make_clips,
    say_short_windows,
    stem_outputs,
    trained_state,
)
from encodekit_brain_tuning.backbones._windows import FrameGrid
from encodekit_brain_tuning.losses import l2
from encodekit_brain_tuning.objectives import FmriObjective
from encodekit_brain_tuning.objectives._contrastive import ContrastivePrediction
from encodekit_brain_tuning.objectives._units import UnitPrediction
from encodekit_brain_tuning.targets import align
from encodekit_brain_tuning.training import TuningClips, TuningModel, evaluating, tune
from encodekit_brain_tuning.training._ridge_start import collect_rows

RATE, SECONDS = 2000, 4
STREAMED = Streamed(chunk=16.0)
SMALL = dict(  # noqa: C408
    hidden_size=32, num_hidden_layers=4, num_attention_heads=2, intermediate_size=64,
    conv_dim=(8, 16), conv_kernel=(10, 8), conv_stride=(10, 8), num_feat_extract_layers=2,
    num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4,
)  # fmt: skip
STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
KINDS = {
    "wav2vec2": ("Wav2Vec2", {}),
    "wav2vec2, stable": ("Wav2Vec2", STABLE),
    "hubert": ("Hubert", {}),
    "hubert, stable": ("Hubert", STABLE),
    "wavlm": ("WavLM", {}),
    "wavlm, stable": ("WavLM", STABLE),
    "unispeech": ("UniSpeech", {}),
    "unispeech-sat": ("UniSpeechSat", {}),
    "data2vec": ("Data2VecAudio", {"num_conv_pos_embeddings": 2}),
    "conformer, relative": ("Wav2Vec2Conformer", {"position_embeddings_type": "relative"}),
    "conformer, rotary": ("Wav2Vec2Conformer", {"position_embeddings_type": "rotary"}),
    "whisper": None,
}


class Norms(Update):
    """The layer norms of one block learn: an update that knows nothing of what is kept."""

    block: int = 2

    def apply(self, backbone):
        for part in transformer_blocks(backbone.model)[self.block - 1].modules():
            if isinstance(part, nn.LayerNorm):
                part.requires_grad_(requires_grad=True)


class Projection(Update):
    """The last block learns, and the projection of the stem's frames."""

    def apply(self, backbone):
        backbone.model.feature_projection.requires_grad_(requires_grad=True)
        transformer_blocks(backbone.model)[-1].requires_grad_(requires_grad=True)


@pytest.fixture(scope="module")
def folders(save_whisper, tmp_path_factory):
    import transformers

    made = {}
    for kind, what in KINDS.items():
        folder = tmp_path_factory.mktemp("kind")
        made[kind] = str(folder)
        if what is None:
            save_whisper(folder)
            continue
        torch.manual_seed(0)
        config = getattr(transformers, f"{what[0]}Config")(**(SMALL | what[1]))
        getattr(transformers, f"{what[0]}Model")(config).save_pretrained(folder)
        transformers.Wav2Vec2FeatureExtractor(sampling_rate=RATE).save_pretrained(folder)
    return made


def prepared(folder, update, *, pooled_layer=None, dropout=0.0, recompute=False):
    backbone = load_backbone(folder, dropout=dropout, pooled_layer=pooled_layer)
    if recompute:
        backbone.recompute_in_backward()
    torch.manual_seed(0)
    update.prepare(backbone)
    return backbone.train()


def frames_of(backbone):
    """The stem's frames of two clips, as a batch."""
    audio = np.random.default_rng(0).standard_normal(2 * SECONDS * backbone.rate, dtype="float32")
    half = audio.size // 2
    found = dict(stem_outputs(backbone, audio, [(0, half), (half, 2 * half)]))
    return torch.stack([found[0], found[1]])


def gradients(backbone, pooled):
    pooled.square().mean().backward()
    return {name: p.grad for name, p in backbone.named_parameters() if p.requires_grad}


def by_all_blocks(backbone):
    """What the blocks give from the stem's frames, the frozen ones in evaluation mode."""
    for block in transformer_blocks(backbone.model)[: backbone.n_frozen_blocks]:
        block.eval()
    return backbone.layers(frames_of(backbone), [backbone.pooled_layer])[0]


def by_kept_layer(backbone):
    return backbone(backbone.frozen_output(frames_of(backbone)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("update", "pooled_layer"),
    [
        (TopBlocks(1), None),
        (TopBlocks(1), 2),
        pytest.param(Lora(rank=2, blocks=1), None, marks=pytest.mark.slow),
        pytest.param(Lora(rank=2, blocks=[2]), 3, marks=pytest.mark.slow),
        pytest.param(Norms(2), None, marks=pytest.mark.slow),
    ],
)
def test_gradients_are_those_of_all_blocks_computed_from_the_stem(
    folders, kind, update, pooled_layer
):
    whole, kept = (prepared(folders[kind], update, pooled_layer=pooled_layer) for _ in range(2))
    assert kept.n_frozen_blocks >= 1
    expected = gradients(whole, by_all_blocks(whole))
    found = gradients(kept, by_kept_layer(kept))
    assert found.keys() == expected.keys()
    assert sum(float(part.abs().sum()) for part in expected.values()) > 0
    for name, part in expected.items():
        largest = float(part.abs().max())
        torch.testing.assert_close(found[name], part, rtol=1e-6, atol=1e-6 * largest)


@pytest.mark.parametrize(
    ("update", "pooled_layer", "n"),
    [
        (AllWeights(), None, 0),
        (Lora(), None, 0),
        (TopBlocks(4), None, 0),
        (TopBlocks(3), None, 1),
        (TopBlocks(1), 3, 2),
        (Lora(blocks=[2, 4]), None, 1),
        (Lora(blocks=2), 3, 1),
        (HeadOnly(), None, 4),
        (HeadOnly(), 2, 2),
        (Norms(3), None, 2),
        (Projection(), None, 0),
    ],
)
def test_the_frozen_part_ends_below_the_lowest_that_learns(folders, update, pooled_layer, n):
    assert prepared(folders["wav2vec2"], update, pooled_layer=pooled_layer).n_frozen_blocks == n


def test_blocks_that_hand_on_something_unknown_are_computed_from_the_stem(folders):
    backbone = prepared(folders["wav2vec2"], HeadOnly(), dropout=0.3)
    backbone.model.config.model_type = "another"
    with pytest.warns(UserWarning, match=r"3 of the blocks .* 'another' model hand on to the next"):
        TopBlocks(1).prepare(backbone)
    assert backbone.n_frozen_blocks == 0
    frames = frames_of(backbone)
    assert backbone.frozen_output(frames) is frames
    assert [block.training for block in backbone.train().model.encoder.layers] == [False] * 3 + [
        True
    ]
    once, again = (backbone.layers(frames, [3])[0] for _ in range(2))
    torch.testing.assert_close(once, again, rtol=0, atol=0)


class Scale(nn.Module):
    """A part that neither its name nor a weight tells from another."""

    def __init__(self, part, factor):
        super().__init__()
        self.part, self.factor = part, factor

    def forward(self, *given, **named):
        return self.part(*given, **named) * self.factor


class Louder(TopBlocks):
    """The last block learns; a block below is changed, in a way that its repr does not show."""

    factor: float = 2.0
    how: str = "a part"
    block: int = 1

    def apply(self, backbone):
        super().apply(backbone)
        changed = transformer_blocks(backbone.model)[self.block - 1]
        if self.how == "a part":
            changed.feed_forward = Scale(changed.feed_forward, self.factor)
        elif self.how == "an attribute":
            changed.attention.scaling = self.factor
        elif self.how == "a hook":
            changed.final_layer_norm.register_forward_hook(lambda *call: call[-1] * self.factor)
        else:
            backbone.model.feature_projection.layer_norm.eps = self.factor


@pytest.mark.parametrize(
    ("how", "block", "n"),
    [
        ("a part", 1, 0),
        ("a part", 3, 2),
        ("an attribute", 2, 1),
        ("a hook", 2, 1),
        ("the projection", 1, 0),
    ],
)
def test_what_an_update_changed_below_what_learns_is_never_kept(make, tmp_path, how, block, n):
    rows = []
    for factor in (2.0, 3.0):
        with pytest.warns(UserWarning, match=rf"{3 - n} of the blocks .*update changed '.*' below"):
            model, clips = make(Louder(1, factor, how, block), stems=StemCache(tmp_path))
        assert model.backbone.n_frozen_blocks == n
        rows.append(collect_rows(model, clips, 4).pooled)
    assert len(list(tmp_path.iterdir())) == 1
    assert not rows[0].equal(rows[1])


@pytest.mark.parametrize("objective", [UnitPrediction, ContrastivePrediction])
def test_frozen_blocks_have_no_dropout_under_a_mask_either(folders, objective):
    backbone = prepared(folders["wav2vec2"], TopBlocks(1), dropout=0.3)
    module = objective(TuningModel(backbone, SharedHead().build(backbone.n_features, 6, 1)))
    blocks = transformer_blocks(backbone.model)
    for _ in range(2):
        module.train()
        assert blocks[3].training
        assert not any(part.training for block in blocks[:3] for part in block.modules())
        evaluating(module, lambda: None)
    frames, found = frames_of(backbone), []
    blocks[2].register_forward_hook(lambda _, given, hidden: found.append(hidden[0].detach()))
    masked = module.mask(frames)
    heard = [
        module.inner(frames, mask_time_indices=masked).last_hidden_state.detach() for _ in range(2)
    ]
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
    assert float((heard[0] - heard[1]).abs().max()) > 0.01


@pytest.mark.parametrize("kind", ["wav2vec2", "wavlm", "whisper"])
def test_recomputing_in_the_backward_pass_changes_no_gradient_above_frozen_blocks(folders, kind):
    plain, again = (
        prepared(folders[kind], TopBlocks(2), recompute=recompute) for recompute in (False, True)
    )
    calls = []
    block = transformer_blocks(again.model)[again.n_frozen_blocks]
    first = next(part for part in block.modules() if isinstance(part, nn.Linear))
    first.register_forward_hook(lambda *_: calls.append(0))
    expected = gradients(plain, by_kept_layer(plain))
    for name, part in gradients(again, by_kept_layer(again)).items():
        torch.testing.assert_close(part, expected[name], rtol=1e-6, atol=1e-9)
    assert len(calls) == 2


def test_frozen_blocks_have_no_dropout_and_those_that_learn_do(folders):
    backbone = prepared(folders["wav2vec2"], TopBlocks(1), dropout=0.3)
    frames = frames_of(backbone)
    kept = backbone.frozen_output(frames)
    torch.testing.assert_close(kept, backbone.frozen_output(frames), rtol=0, atol=0)
    assert backbone.training
    assert float((backbone(kept) - backbone(kept)).detach().abs().max()) > 0.01


def test_frozen_norms_over_a_batch_keep_their_statistics(folders):
    backbone = prepared(folders["conformer, relative"], TopBlocks(1))
    before = {k: v.clone() for k, v in backbone.model.encoder.layers[0].state_dict().items()}
    by_kept_layer(backbone)
    for name, value in backbone.model.encoder.layers[0].state_dict().items():
        assert value.equal(before[name]), name


def kept_hash(folder, update, **given):
    return prepared(folder, update, **given).frozen_hash


def test_updates_that_share_a_frozen_part_share_its_name_and_others_never_do(folders):
    folder = folders["wav2vec2"]
    same = {
        kept_hash(folder, TopBlocks(2)),
        kept_hash(folder, TopBlocks(1), pooled_layer=3),
        kept_hash(folder, Lora(rank=2, blocks=2)),
        kept_hash(folder, Lora(rank=4, blocks=[3]), dropout=0.2),
        kept_hash(folder, TopBlocks(2), recompute=True),
    }
    assert len(same) == 1
    others = {
        kept_hash(folder, TopBlocks(3)),
        kept_hash(folder, HeadOnly()),
        kept_hash(folder, AllWeights()),
        kept_hash(folders["wav2vec2, stable"], TopBlocks(2)),
    }
    assert len(others | same) == 5
    backbone = prepared(folder, AllWeights())
    assert backbone.frozen_hash == backbone.stem_hash


@pytest.mark.parametrize("what", ["a frozen block", "the projection", "a setting", "another part"])
def test_whatever_changes_the_frozen_part_changes_its_hash(folders, what):
    backbone = load_backbone(folders["wav2vec2"], dropout=0.0)
    blocks = transformer_blocks(backbone.model)
    if what == "a setting":
        backbone.model.config.layer_norm_eps = 1e-2
    elif what == "another part":
        blocks[0].feed_forward.intermediate_act_fn = nn.Tanh()
    else:
        part = blocks[0] if what == "a frozen block" else backbone.model.feature_projection
        with torch.no_grad():
            next(part.parameters()).add_(1e-3)
    TopBlocks(2).prepare(backbone)
    assert backbone.frozen_hash != kept_hash(folders["wav2vec2"], TopBlocks(2))


def test_what_learns_does_not_change_the_hash_of_the_frozen_part(folders):
    backbone = prepared(folders["wav2vec2"], TopBlocks(2))
    with torch.no_grad():
        for weight in backbone.parameters():
            if weight.requires_grad:
                weight.add_(1.0)
        backbone.model.masked_spec_embed.add_(1.0)  # random where a checkpoint lacks it
    TopBlocks(2).prepare(backbone)
    assert backbone.frozen_hash == kept_hash(folders["wav2vec2"], TopBlocks(2))


@pytest.fixture
def make(folders, stories, make_responses):
    """A model and its clips of one story."""

    def made(update, windows=STREAMED, stems=None, dropout=0.0):
        torch.manual_seed(0)
        backbone = prepared(folders["wav2vec2"], update, dropout=dropout)
        head = SharedHead().build(backbone.n_features, 6, 2)
        runs, lengths = make_responses(stories[:1]), {stories[0].run_name: stories[0].n_trs}
        targets = align(runs, lengths, z_score=True)
        clips = TuningClips(stories[:1], targets, backbone, windows, stems)
        return TuningModel(backbone, head), clips

    return made


@pytest.mark.parametrize(
    "windows",
    [STREAMED, Exact(), Streamed(10.0, 1.0, join=28.0), Streamed(16.0, pooling="last")],
)
def test_rows_of_clips_are_those_of_the_whole_model(make, windows):
    found, expected = (
        collect_rows(*make(update, windows), 4) for update in (HeadOnly(), AllWeights())
    )
    torch.testing.assert_close(found.pooled, expected.pooled, rtol=1e-5, atol=1e-6)
    assert found.coverage.equal(expected.coverage)


def test_a_file_of_frozen_blocks_is_used_again_and_never_for_another_update(make, tmp_path):
    sizes = []
    for update in (TopBlocks(2), Lora(rank=2, blocks=2), TopBlocks(3), HeadOnly(), AllWeights()):
        make(update, stems=StemCache(tmp_path))
        sizes.append(len(list(tmp_path.iterdir())))
    assert sizes == [1, 1, 2, 3, 4]


def test_frozen_blocks_are_not_computed_again_in_an_epoch(make, tmp_path):
    model, clips = make(TopBlocks(1), stems=StemCache(tmp_path))
    for block in transformer_blocks(model.backbone.model)[:3]:
        block.register_forward_pre_hook(lambda *_: pytest.fail("a frozen block was computed"))
    batch = clips.batch([0, 1])
    model(batch["frames"], batch["pooling_weights"]).square().mean().backward()


def test_a_layer_too_large_for_float16_is_named(make):
    class Loud(TopBlocks):
        def apply(self, backbone):
            super().apply(backbone)
            with torch.no_grad():
                transformer_blocks(backbone.model)[1].final_layer_norm.weight.mul_(1e6)

    with pytest.raises(ValueError, match=r"layer 2 reaches .*e\+06.* stem_dtype='float32'"):
        make(Loud(2), stems=StemCache(dtype="float16"))


class Kill(TrainerCallback):
    """Ends the program before a step."""

    def on_step_begin(self, args, state, control, **rest):
        if state.global_step == 5:
            raise KeyboardInterrupt


def test_a_killed_tuning_goes_on_to_the_same_bytes_though_its_kept_layers_are_gone(make, tmp_path):
    def learn(folder, *callbacks):
        shutil.rmtree(tmp_path / "stems", ignore_errors=True)
        stems = StemCache(tmp_path / "stems", dtype="float16")
        model, clips = make(TopBlocks(2), stems=stems, dropout=0.1)
        training = Training(epochs=4, learning_rate=1e-2, batch_size=2, keep="last")
        runtime = Runtime("cpu", checkpoint=tmp_path / folder, checkpoint_every=1)
        tune(FmriObjective(model, clips, None, l2), training, runtime, 0, *callbacks)
        return hash_tensors(trained_state(model))

    whole = learn("whole")
    with pytest.raises(KeyboardInterrupt):
        learn("killed", Kill())
    assert learn("killed") == whole


@pytest.fixture
def fitted_with(tuned, stories, responses, folders):
    def fit(update, **changes):
        settings = {
            "backbone": folders["wav2vec2"], "update": update, "training__epochs": 2,
            "training__learning_rate": 1e-2, "training__keep": "last",
        }  # fmt: skip
        features = tuned(**settings | changes)
        return features.fit(stories[:2], responses[:2], validation=(stories[3:], responses[3:]))

    return fit


@pytest.mark.parametrize("update", [TopBlocks(2), Lora(rank=2, blocks=[4])])
def test_a_tuning_above_frozen_blocks_is_saved_and_read_as_any_other(
    fitted_with, update, stories, tmp_path
):
    features = fitted_with(update, runtime__stem_dtype="float32")
    backbone = features.model_.backbone
    changed = {name.split("layers.")[1][0] for name in trained_state(backbone)}
    assert changed == set("23" if isinstance(update, TopBlocks) else "3")
    rows = features.transform(stories[3:])
    features.save(tmp_path / "model")
    again = type(features).load(tmp_path / "model")
    assert again.update == features.update
    np.testing.assert_array_equal(again.transform(stories[3:]).values, rows.values)


@pytest.mark.filterwarnings("ignore:.*fills every window with silence")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "update", [AllWeights(dropout=0.1), pytest.param(TopBlocks(1), marks=pytest.mark.slow)]
)
def test_every_kind_is_the_same_to_the_bit_after_save_and_load(
    fitted_with, folders, kind, update, stories, tmp_path
):
    features = fitted_with(update, backbone=folders[kind], layer="all", training__epochs=1)
    rows = features.transform(stories[3:])
    features.save(tmp_path / "model")
    again = type(features).load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(stories[3:]).values, rows.values)
    before = load_backbone(folders[kind]).state_dict()
    loaded = again.model_.state_dict()
    for name, value in features.model_.state_dict().items():
        assert loaded[name].equal(value), name
        if "running_" in name and name.startswith("backbone."):
            assert value.equal(before[name.removeprefix("backbone.")]), name


def test_tuning_is_the_one_of_all_blocks_computed_anew(fitted_with, monkeypatch):
    kept = fitted_with(TopBlocks(2), runtime__stem_dtype="float32", runtime__stem_cache=None)
    monkeypatch.setattr("encodekit_brain_tuning.backbones.Backbone.split", lambda *_: None)
    anew = fitted_with(TopBlocks(2), runtime__stem_dtype="float32", runtime__stem_cache=None)
    assert (kept.model_.backbone.n_frozen_blocks, anew.model_.backbone.n_frozen_blocks) == (2, 0)
    pairs = zip(trained_state(kept.model_).items(), trained_state(anew.model_).items(), strict=True)
    for (name, one), (other_name, other) in pairs:
        assert name == other_name
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        kept.history_["validation_r"], anew.history_["validation_r"], atol=1e-4
    )


@pytest.mark.parametrize("blocks", [0, [], [0, 1], [2, 2], True, ["3"], [1.5]])
def test_numbers_of_blocks_that_mean_nothing_are_refused(blocks):
    with pytest.raises(ValueError, match="expected how many of the highest blocks, a list of diff"):
        Lora(blocks=blocks)


@pytest.mark.parametrize(
    ("update", "message"),
    [
        (TopBlocks(4), r"TopBlocks\(n=4\): the head reads layer 3, .* pass at most as many"),
        (Lora(blocks=4), r"Lora\(blocks=4\): .*3 blocks below it: pass at most as many"),
        (Lora(blocks=[1, 4]), r"Lora\(blocks=\(1, 4\)\): .* pass numbers from 1 to 3"),
    ],
)
def test_blocks_above_the_layer_that_the_head_reads_are_refused(folders, update, message):
    with pytest.raises(ValueError, match=message):
        prepared(folders["wav2vec2"], update, pooled_layer=3)


def test_adapters_sit_on_the_blocks_that_are_named(folders):
    for blocks, expected in ((None, "0123"), (2, "23"), ([1, 3], "02"), ([4], "3")):
        backbone = prepared(folders["hubert"], Lora(rank=2, blocks=blocks))
        found = {name.split("layers.")[1][0] for name in trained_state(backbone)}
        assert found == set(expected), blocks


WHISPER = FrameGrid(16000, Stem(320, 1039, 519, 480000))


@pytest.mark.parametrize(("seconds", "n"), [(20, 1), (40, 2), (70, 3), (150, 7)])
def test_whispers_windows_are_as_full_as_the_story_allows(seconds, n):
    clips = make_clips(Streamed(), seconds * 16000, WHISPER, np.arange(0.0, seconds, 2.0), 2.0)
    assert [clip.n_samples / 16000 for clip in clips] == [min(seconds, 30)] * n
    assert say_short_windows(Streamed(), WHISPER, "whisper") is None


def test_the_last_frame_of_a_filled_window_is_the_last_that_holds_sound():
    windows = Streamed(pooling="last")
    (clip,) = make_clips(windows, 20 * 16000, WHISPER, np.arange(0.0, 20.0, 2.0), 2.0)
    weights = clip.pooling_weights
    assert weights.argmax(axis=1).tolist() == [100 * row + 99 for row in range(10)]
    assert weights.shape[1] <= 20 * 50 + 1


@pytest.mark.parametrize(("windows", "seconds"), [(Streamed(10.0), 10), (Exact(), 10)])
def test_windows_that_silence_fills_are_named_with_what_to_write(
    tuned, folders, stories, responses, windows, seconds
):
    features = tuned(
        backbone=folders["whisper"], windows=windows, update=HeadOnly(),
        training=Training(epochs=1), runtime=Runtime("cpu", cache=None),
    )  # fmt: skip
    found = rf"to 20 s, so that one of {seconds} s costs as much as one of 20 s.* Streamed\(20, 8\)"
    with pytest.warns(UserWarning, match=found):
        features.fit(stories[:1], responses[:1])
