import functools
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.core import SealedFolder, write_manifest
from encodekit.saving import pack_parameters, unpack_parameters
from encodekit_brain_tuning import BrainTunedFeatures, GlasserSelector, Runtime, Streamed, Training
from encodekit_brain_tuning.targets import KeySelector, saved_selector

IN_A_NEW_PROCESS = """
import sys
import numpy as np
from encodekit.data import Stimulus
from encodekit_brain_tuning import BrainTunedFeatures

stimulus = Stimulus("new", np.load(sys.argv[1]), 2000, t_r=2.0)
for folder in sys.argv[2:]:
    rows = BrainTunedFeatures.load(folder).transform([stimulus])
    np.save(folder + ".npy", rows.values)
"""


@pytest.fixture(scope="module")
def tuned_as(backbone_folder, stories, responses):
    @functools.cache
    def make(update):
        features = BrainTunedFeatures(
            backbone_folder,
            update=update,
            windows=Streamed(chunk=16.0),
            training=Training(epochs=1, learning_rate=3e-3, batch_size=4),
            runtime=Runtime(cache=None, device="cpu"),
            layer="all",
        )
        return features.fit(stories[:2], responses[:2], validation=(stories[2:], responses[2:]))

    return make


@pytest.fixture(params=["lora", "all_weights"])
def fitted(request, tuned_as):
    return tuned_as(request.param)


@pytest.fixture
def saved(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    return tmp_path / "model"


def test_a_new_process_gives_identical_features(tuned_as, stories, tmp_path):
    np.save(tmp_path / "audio.npy", stories[3].load_audio())
    folders = {kind: str(tmp_path / kind) for kind in ("lora", "all_weights")}
    for kind, folder in folders.items():
        tuned_as(kind).save(folder)
    subprocess.run(
        [sys.executable, "-c", IN_A_NEW_PROCESS, tmp_path / "audio.npy", *folders.values()],
        check=True, capture_output=True,
    )  # fmt: skip
    for kind, folder in folders.items():
        expected = tuned_as(kind).transform(stories[3:]).values
        np.testing.assert_array_equal(np.load(folder + ".npy"), expected)


def test_everything_known_about_the_tuning_comes_back(fitted, saved):
    loaded = BrainTunedFeatures.load(saved)
    assert loaded.get_params() == fitted.get_params()
    for name in ("tuned_on_", "validated_on_", "participants_", "targets_", "seed_",
                 "weights_hash_", "head_alpha_"):  # fmt: skip
        assert getattr(loaded, name) == getattr(fitted, name)
    np.testing.assert_allclose(
        loaded.history_.to_numpy(float), fitted.history_.to_numpy(float), equal_nan=True
    )


def test_there_is_no_pickle_in_the_folder(saved):
    names = sorted(path.name for path in saved.iterdir())
    assert names == ["README.md", "config.json", "manifest.json", "tuned.safetensors"]


def test_the_card_says_what_happened(fitted, saved):
    card = (saved / "README.md").read_text()
    for fact in (
        "P1, P2",
        "story-0, story-1",
        "story-2, story-3",
        "| targets | 6 |",
        "| seed | 0 |",
    ):
        assert fact in card
    assert f"| 0 | 0 | - | {fitted.history_['validation_loss'][0]:.5f} |" in card
    kept = fitted.history_["step"][fitted.history_["kept"]].item()
    assert f"The weights of step {kept} were kept." in card


@pytest.mark.parametrize("name", ["tuned.safetensors", "config.json"])
def test_a_flipped_bit_is_refused(saved, name):
    content = bytearray((saved / name).read_bytes())
    content[-20] ^= 1
    (saved / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        BrainTunedFeatures.load(saved)


def test_a_folder_without_its_manifest_is_refused(saved):
    (saved / "manifest.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"manifest\.json"):
        BrainTunedFeatures.load(saved)


def test_another_backbone_is_refused(saved, save_backbone, tmp_path):
    other = save_backbone(tmp_path / "other", seed=5)
    with pytest.raises(ValueError, match="other weights"):
        BrainTunedFeatures.load(saved, backbone=other)


def test_a_backbone_that_moved_is_named(fitted, saved, save_backbone, tmp_path, stories):
    moved = save_backbone(tmp_path / "moved")
    loaded = BrainTunedFeatures.load(saved, backbone=moved)
    assert loaded.backbone == moved
    np.testing.assert_array_equal(
        loaded.transform(stories[3:]).values, fitted.transform(stories[3:]).values
    )


def told_otherwise(folder, place, **changes):
    """A copy of a backbone with the same weights and other settings."""
    shutil.copytree(folder, place)
    for path in (place / "config.json", place / "preprocessor_config.json"):
        told = json.loads(path.read_text())
        now = {name: value for name, value in changes.items() if name in told}
        path.write_text(json.dumps(told | now))
    return str(place)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden_act": "relu"}, r'hidden_act \("relu" against "gelu"\) than'),
        ({"do_normalize": False}, r"do_normalize \(false against true\) than"),
        (
            {"do_normalize": False, "layer_norm_eps": 0.01},
            r"layer_norm_eps \(0\.01 against 1e-05\), do_normalize \(false against true\) than",
        ),
    ],
)
def test_a_backbone_with_other_settings_is_refused_with_what_differs(
    saved, backbone_folder, tmp_path, changes, said
):
    other = told_otherwise(backbone_folder, tmp_path / "other", **changes)
    with pytest.raises(ValueError, match=rf"has other {said} the one that was tuned.*backbone="):
        BrainTunedFeatures.load(saved, backbone=other)


def test_a_backbone_with_other_dropouts_is_the_same(fitted, saved, backbone_folder, tmp_path):
    other = told_otherwise(
        backbone_folder, tmp_path / "other", hidden_dropout=0.4, attention_dropout=0.0,
        layerdrop=0.3,
    )  # fmt: skip
    loaded = BrainTunedFeatures.load(saved, backbone=other)
    assert loaded.tuned_.facts == fitted.tuned_.facts


def test_a_model_that_was_saved_without_its_settings_still_loads(fitted, saved):
    rewritten(saved, lambda config: config["state"]["facts"].pop("configuration"))
    assert BrainTunedFeatures.load(saved).weights_hash() == fitted.weights_hash()


def test_models_of_other_settings_do_not_share_kept_features(
    tuned, stories, responses, backbone_folder, tmp_path
):
    for name in ("hidden_act", "do_normalize"):
        other = told_otherwise(
            backbone_folder, tmp_path / name, **{name: "relu" if name == "hidden_act" else False}
        )
        rows = []
        for backbone, cache in ((backbone_folder, True), (other, True), (other, False)):
            features = tuned(
                backbone=backbone, update="head_only", training__epochs=1,
                runtime__cache=tmp_path / "features" if cache else None,
            )  # fmt: skip
            features.fit(stories[:1], responses[:1])
            rows.append(features.transform(stories[3:]).values)
        assert np.abs(rows[0] - rows[2]).max() > 1e-3
        np.testing.assert_array_equal(rows[1], rows[2])


@pytest.fixture
def licensed(backbone_folder, tmp_path):
    """A backbone whose folder holds licence files."""
    folder = tmp_path / "licensed"
    shutil.copytree(backbone_folder, folder)
    (folder / "LICENSE").write_bytes(b"Copyright (c) somebody\n")
    (folder / "LICENSE-weights.txt").write_bytes(b"Of the weights\n")
    (folder / "LICENSES").mkdir()
    return folder


def test_the_backbones_licence_goes_with_all_that_is_tuned_from_it(
    licensed, tuned, stories, responses, tmp_path
):
    features = tuned(backbone=str(licensed), training__epochs=1).fit(stories[:1], responses[:1])
    shutil.move(licensed, tmp_path / "moved")
    features.save(tmp_path / "saved")
    shutil.move(tmp_path / "moved", licensed)
    features.merge(tmp_path / "merged")
    pipeline = make_pipeline(features.frozen(), ek.Delayer(), ek.RidgeCV())
    ek.save(pipeline.fit(stories[2:], responses[2:]), tmp_path / "pipeline")
    again = tuned(backbone=str(tmp_path / "merged"), training__epochs=1)
    again.fit(stories[:1], responses[:1]).save(tmp_path / "again")
    for name in ("saved", "merged", "pipeline", "again"):
        found = [*(tmp_path / name).rglob("LICENSE")]
        assert found
        for path in found:
            assert path.read_bytes() == b"Copyright (c) somebody\n"
            assert (path.parent / "LICENSE-weights.txt").is_file()
            listed = SealedFolder.open(tmp_path / name).files
            assert str(path.relative_to(tmp_path / name)) in listed
    assert BrainTunedFeatures.load(tmp_path / "saved").weights_hash() == features.weights_hash()
    (tmp_path / "saved" / "LICENSE").write_text("another")
    with pytest.raises(ValueError, match="LICENSE"):
        BrainTunedFeatures.load(tmp_path / "saved")


def rewritten(saved, change):
    config = json.loads((saved / "config.json").read_text())
    change(config)
    (saved / "config.json").write_text(json.dumps(config))
    write_manifest(saved, "brain-tuned model")


def test_a_newer_format_is_refused(saved):
    rewritten(saved, lambda config: config.update(format=99))
    with pytest.raises(ValueError, match="format 99"):
        BrainTunedFeatures.load(saved)


def test_tensors_that_do_not_fit_the_parameters_are_refused(saved):
    rewritten(saved, lambda config: config["parameters"].update(update="head_only"))
    with pytest.raises(ValueError, match="they differ in"):
        BrainTunedFeatures.load(saved)


def test_saving_again_replaces_the_old_model(fitted, saved):
    fitted.save(saved)
    assert BrainTunedFeatures.load(saved).weights_hash() == fitted.weights_hash()


def test_a_pipeline_with_a_frozen_tuned_model_is_saved(fitted, stories, responses, tmp_path):
    road = make_pipeline(fitted.frozen(), ek.Delayer(seconds=[2, 4]), ek.RidgeCV())
    road.fit(stories[2:], responses[2:])
    ek.save(road, tmp_path / "road")
    loaded = ek.load(tmp_path / "road")
    np.testing.assert_array_equal(
        loaded.predict(stories[2:3]).values, road.predict(stories[2:3]).values
    )


def through_json(selector, keys, folder):
    parameters = {"targets": saved_selector(selector, keys)}
    packed = json.loads(json.dumps(pack_parameters(parameters, folder, classes=[KeySelector])))
    write_manifest(folder)
    sealed = SealedFolder.open(folder)
    return unpack_parameters(BrainTunedFeatures, packed, sealed, classes=[KeySelector])["targets"]


def test_a_registered_selector_comes_back_as_itself(tmp_path):
    selector = through_json(GlasserSelector(["A1"]), ("left/1",), tmp_path)
    assert isinstance(selector, GlasserSelector)
    assert selector.regions == ["A1"]


def test_any_other_selector_comes_back_as_the_targets_it_chose(responses, tmp_path):
    selector = ek.RegionSelector(regions=["STSdp"])
    selector.atlas = object()
    loaded = through_json(selector, ("left/00001", "right/00005"), tmp_path)
    assert isinstance(loaded, KeySelector)
    kept = loaded.fit_transform(responses[0])
    assert kept.target.values.tolist() == [
        "P1/left/00001", "P1/right/00005", "P2/left/00001", "P2/right/00005"
    ]  # fmt: skip


def test_each_loader_says_what_a_folder_is_and_what_reads_it(fitted, saved, tmp_path):
    with pytest.raises(ValueError, match=r"holds a brain-tuned model, .*BrainTunedFeatures\.load"):
        ek.load(saved)
    ek.save(make_pipeline(fitted.frozen(), ek.Delayer()), tmp_path / "pipeline")
    with pytest.raises(ValueError, match=r"holds a model, .*: ek\.load\(path\) reads it"):
        BrainTunedFeatures.load(tmp_path / "pipeline")
    fitted.merge(tmp_path / "merged")
    with pytest.raises(ValueError, match=r"holds a merged model, .*ek\.SpeechFeatures\(path\)"):
        ek.load(tmp_path / "merged")
