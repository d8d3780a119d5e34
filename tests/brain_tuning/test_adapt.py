import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import RunList, make_response
from encodekit.features import BackboneNotFoundError
from encodekit_brain_tuning import (
    AdaptedHead,
    BrainTunedFeatures,
    HeadOnly,
    Runtime,
    Streamed,
    Training,
    TunedOnWarning,
)
from encodekit_brain_tuning.targets import KeySelector


@pytest.fixture(scope="module")
def fitted(backbone_folder, stories, responses):
    tuned = BrainTunedFeatures(
        backbone_folder,
        update=HeadOnly(),
        windows=Streamed(chunk=16.0),
        training=Training(epochs=1, batch_size=4),
        runtime=Runtime(cache=None, device="cpu"),
    )
    return tuned.fit(stories[:1], responses[:1])


@pytest.fixture(scope="module")
def new(stories, make_responses):
    """Two people that were not tuned on."""
    return make_responses(stories, people=("P8", "P9"), noise=0.1)


def test_a_new_participants_head_predicts_stories_that_nobody_saw(fitted, stories, new):
    weights = fitted.weights_hash()
    head = fitted.adapt(stories[1:3], new[1:3])
    predicted = head.predict(stories[3:])
    assert predicted.sizes == new[3].sizes
    assert predicted.target.values.tolist() == new[3].target.values.tolist()
    assert float(ek.correlation(new[3:], predicted).mean()) > 0.1
    assert head.participants_ == ("P8", "P9")
    assert fitted.weights_hash() == weights


def test_whoever_is_as_the_head_expects_gets_its_prediction(fitted, stories, new):
    """The prior is all there is to find, so the ridge adds nothing."""
    zero = RunList(run * 0 for run in new[1:3])
    same = clone(fitted).set_params(participants__z_score=False)
    same.tuned_ = fitted.tuned_
    prior = same.adapt(stories[1:3], zero)
    prior.head.weight.data.zero_()
    prior.head.bias.data.zero_()
    expected = RunList(
        run.copy(data=prior.predict([story]).values) for run, story in
        zip(new[1:3], stories[1:3], strict=True)
    )  # fmt: skip
    head = same.adapt(stories[1:3], expected)
    np.testing.assert_allclose(
        head.predict(stories[3:]).values, prior.predict(stories[3:]).values, atol=1e-5
    )


def test_a_new_participant_may_be_in_a_space_of_their_own(fitted, stories, new):
    own = RunList(
        make_response(
            run.values[:, :4], run=story.run_name, participant="P8", tr_times=story.grid, t_r=2.0,
            hemisphere="left", vertex=[0, 1, 2, 9], space="native",
        )
        for run, story in zip(new, stories, strict=True)
    )  # fmt: skip
    head = fitted.adapt(stories[1:3], own[1:3])
    assert head.prior == ([], [])  # vertex 0 is another place than the tuned one
    assert float(ek.correlation(own[3:], head.predict(stories[3:])).mean()) > 0.1


def test_adapting_on_a_tuning_story_warns(fitted, stories, new):
    with pytest.warns(TunedOnWarning):
        fitted.adapt(stories[:2], new[:2])


def test_a_run_that_is_lacking_is_the_others(fitted, stories, new):
    first = new[1].copy(deep=True)
    first.values[:, first.participant.values == "P9"] = np.nan
    head = fitted.adapt(stories[1:3], RunList([first, new[2]]))
    alone = fitted.adapt(stories[2:3], RunList([new[2]]))
    assert np.isfinite(head.predict(stories[3:]).values).all()
    assert isinstance(alone.predict(stories[3:]), xr.DataArray)


def test_adapting_on_none_of_the_tuned_targets_is_refused(fitted, stories, new):
    other = clone(fitted).set_params(targets=KeySelector(["left/00099"]))
    other.tuned_ = fitted.tuned_
    with pytest.raises(ValueError, match="none of the targets that the model was tuned on"):
        other.adapt(stories[1:3], new[1:3])


IN_A_NEW_PROCESS = """
import sys
import numpy as np
from encodekit.data import Stimulus
from encodekit_brain_tuning import AdaptedHead

stimulus = Stimulus("new", np.load(sys.argv[1]), 2000, t_r=2.0)
for folder in sys.argv[2:]:
    np.save(folder + ".npy", AdaptedHead.load(folder).predict([stimulus]).values)
"""


@pytest.fixture
def heads(fitted, stories, new):
    """Heads in the tuned space, and of two people in spaces of their own."""
    own = RunList(
        xr.concat(
            [
                make_response(
                    run.values[:, :n], run=story.run_name, participant=person, t_r=2.0,
                    tr_times=story.grid, hemisphere="left", vertex=np.arange(n), space="native",
                )
                for person, n in (("P8", 4), ("P9", 2))
            ],
            "target",
            combine_attrs="override",
        )
        for run, story in zip(new[1:3], stories[1:3], strict=True)
    )  # fmt: skip
    return {
        "shared": fitted.adapt(stories[1:3], new[1:3]), "native": fitted.adapt(stories[1:3], own)
    }  # fmt: skip


def test_a_new_process_predicts_the_same_from_a_saved_head(heads, stories, tmp_path):
    np.save(tmp_path / "audio.npy", stories[3].load_audio())
    folders = {name: str(head.save(tmp_path / name)) for name, head in heads.items()}
    subprocess.run(
        [sys.executable, "-c", IN_A_NEW_PROCESS, tmp_path / "audio.npy", *folders.values()],
        check=True, capture_output=True,
    )  # fmt: skip
    for name, folder in folders.items():
        np.testing.assert_array_equal(
            np.load(folder + ".npy"), heads[name].predict(stories[3:]).values
        )
        files = {path.suffix for path in Path(folder).rglob("*") if path.is_file()}
        assert files == {".json", ".safetensors", ".md"}


def test_a_loaded_head_is_the_saved_one(heads, stories, tmp_path):
    for name, head in heads.items():
        head.save(tmp_path / name)
        again = AdaptedHead.load(tmp_path / name)
        xr.testing.assert_identical(again.predict(stories[3:]), head.predict(stories[3:]))
        assert again.participants_ == head.participants_
        assert again.targets_ == head.targets_
        assert again.alpha_ == head.alpha_
        assert again.tuned.tuned_on_ == head.tuned.tuned_on_


def test_a_head_is_loaded_with_a_backbone_that_moved(heads, stories, save_backbone, tmp_path):
    head = heads["shared"]
    folder, old = head.save(tmp_path / "head"), head.tuned.backbone
    moved = {old: save_backbone(tmp_path / "moved")}
    again = AdaptedHead.load(folder, moved=moved)
    assert again.tuned.backbone == moved[old]
    xr.testing.assert_identical(again.predict(stories[3:]), head.predict(stories[3:]))
    pipeline = ek.save(make_pipeline(head.tuned.frozen(), ek.Delayer([1])), tmp_path / "pipeline")
    assert ek.load(pipeline, moved=moved)[0].backbone == moved[old]
    other = save_backbone(tmp_path / "other", seed=5)
    with pytest.raises(ValueError, match=r"other weights .* moved=\{the name it was saved"):
        AdaptedHead.load(folder, moved={old: other})
    with pytest.raises(BackboneNotFoundError) as caught:
        AdaptedHead.load(folder, moved={old: str(tmp_path / "nowhere")})
    assert "moved={" in caught.value.__notes__[0]


def test_a_damaged_head_is_refused(heads, tmp_path):
    folder = heads["shared"].save(tmp_path / "head")
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-20] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"is damaged.*model\.safetensors has sha256"):
        AdaptedHead.load(folder)


def test_what_is_no_adapted_head_is_refused(fitted, tmp_path):
    fitted.save(tmp_path / "tuned")
    with pytest.raises(ValueError, match=r"holds a brain-tuned model, .*BrainTunedFeatures\.load"):
        AdaptedHead.load(tmp_path / "tuned")
    ek.save(ek.Delayer([1]), tmp_path / "delays")
    with pytest.raises(ValueError, match=r"holds a Delayer, expected an AdaptedHead: ek\.load"):
        AdaptedHead.load(tmp_path / "delays")


def test_a_head_that_is_not_fitted_neither_predicts_nor_is_saved(fitted, stories, tmp_path):
    head = clone(AdaptedHead(fitted.frozen()))
    with pytest.raises(NotFittedError, match=r"call fit\(stimuli, responses\)"):
        head.predict(stories)
    with pytest.raises(NotFittedError, match=r"AdaptedHead\.load\(path\)"):
        head.save(tmp_path / "head")
    assert not (tmp_path / "head").exists()
