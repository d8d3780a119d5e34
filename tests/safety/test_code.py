"""What a file says is never run: no class, parameter, codec or script that comes with data."""

import json
import os
import pickle
import shutil
import sys
import warnings
from copy import deepcopy

import numpy as np
import pytest
import xarray as xr
from sklearn.model_selection import (
    GroupShuffleSplit,
    PredefinedSplit,
    RepeatedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.pipeline import Pipeline, make_pipeline

import encodekit as ek
from encodekit.core import write_manifest


class Opened:
    """A pickle that says when it is opened."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


@pytest.fixture
def fitted(study):
    model = make_pipeline(
        ek.MelSpectrogram(n_mels=4, cache=None), ek.Delayer(seconds=[2]), ek.RidgeCV(alphas=[1.0])
    )
    return model.fit(study.stimuli, study.responses())


@pytest.fixture
def saved(fitted, tmp_path):
    return ek.save(fitted, tmp_path / "model")


def edited(folder, change):
    """Change model.json as an attacker would, with a manifest that fits."""
    tree = json.loads((folder / "model.json").read_text())
    change(tree["model"])
    (folder / "model.json").write_text(json.dumps(tree))
    write_manifest(folder, "model")
    return folder


def step(model, number):
    return model["params"]["steps"][number]["items"][1]


class TestParameters:
    @pytest.mark.parametrize("where", ["outside", "within", "frozen"])
    def test_a_joblib_cache_that_a_file_names_is_left_out(self, saved, tmp_path, where):
        cache = str(tmp_path / "cache")

        def change(model):
            inner = {
                "$": "estimator", "class": "sklearn:Pipeline", "requests": None, "fitted": {},
                "params": {"steps": [deepcopy(model["params"]["steps"][0])], "memory": cache},
            }  # fmt: skip
            frozen = {
                "$": "estimator", "class": "sklearn:FrozenEstimator", "requests": None,
                "fitted": {}, "params": {"estimator": inner},
            }  # fmt: skip
            if where == "outside":
                model["params"]["memory"] = cache
            else:
                part = inner if where == "within" else frozen
                model["params"]["steps"][0]["items"][1] = part

        edited(saved, change)
        with pytest.warns(UserWarning, match="memory is neither saved nor loaded"):
            loaded = ek.load(saved)
        assert cache not in repr(loaded.get_params())

    def test_a_refit_of_what_was_loaded_opens_no_pickle(self, saved, study, tmp_path):
        cache = tmp_path / "cache"
        attackers = ek.load(saved).set_params(memory=str(cache))
        attackers.fit(study.stimuli, study.responses())
        found = list(cache.rglob("output.pkl"))
        assert found
        for path in found:
            path.write_bytes(pickle.dumps(Opened(tmp_path / "opened")))
        edited(saved, lambda model: model["params"].update(memory=str(cache)))
        with pytest.warns(UserWarning, match="memory is neither"):
            ek.load(saved).fit(study.stimuli, study.responses())
        assert not (tmp_path / "opened").exists()

    def test_saving_a_pipeline_with_a_joblib_cache_says_that_it_stays_behind(
        self, fitted, tmp_path
    ):
        fitted.set_params(memory=str(tmp_path / "cache"))
        with pytest.warns(UserWarning, match="Pipeline: memory is neither saved nor loaded"):
            ek.save(fitted, tmp_path / "model")
        assert ek.load(tmp_path / "model").memory is None

    @pytest.mark.parametrize(
        "name",
        [
            "memory", "steps", "__class__", "__dict__", "_private", "predict", "named_steps",
            "fit", "a b", "", "classes_", "transform_input", "__init__",
        ],
    )  # fmt: skip
    def test_a_fitted_attribute_that_no_fit_sets_is_refused(self, saved, name):
        edited(saved, lambda model: model["fitted"].update({name: 3}))
        with pytest.raises(ValueError, match="has no fitted attribute|malformed model") as caught:
            ek.load(saved)
        assert type(caught.value) is ValueError

    @pytest.mark.parametrize("method", ["__class__", "owner", "_type", "fit.__call__", "x"])
    def test_metadata_is_requested_of_methods_alone(self, saved, method):
        requests = {"$": "dict", "items": [[method, {"$": "dict", "items": [["groups", True]]}]]}
        edited(saved, lambda model: step(model, 2).update(requests=requests))
        with pytest.raises(ValueError, match="has no metadata request|malformed model"):
            ek.load(saved)

    @pytest.mark.parametrize("kind", ["commands", "studies", "panels", "backbones", "features"])
    def test_a_registered_function_that_no_estimator_takes_is_refused(self, saved, kind):
        named = {"$": "registered", "kind": kind, "name": "simulated"}
        edited(saved, lambda model: step(model, 2)["params"].update(alphas=named))
        with pytest.raises(ValueError, match=f"names one of the {kind} as a parameter"):
            ek.load(saved)


@pytest.mark.parametrize(
    "splitter",
    [
        ShuffleSplit(3, test_size=0.5, random_state=0),
        GroupShuffleSplit(2, random_state=1),
        RepeatedKFold(n_splits=3, n_repeats=2, random_state=0),
        TimeSeriesSplit(3, gap=2),
        PredefinedSplit([0, 1, 1, -1]),
    ],
    ids=lambda splitter: type(splitter).__name__,
)
def test_splitters_are_made_anew_and_split_as_before(splitter, tmp_path):
    model = ek.RidgeCV(cv=splitter)
    again = ek.load(ek.save(model, tmp_path / "model")).cv
    rows = np.arange(4 if isinstance(splitter, PredefinedSplit) else 24)
    groups = rows // 3 if isinstance(splitter, GroupShuffleSplit) else None
    for mine, theirs in zip(
        splitter.split(rows, groups=groups), again.split(rows, groups=groups), strict=True
    ):
        np.testing.assert_array_equal(mine[0], theirs[0])
        np.testing.assert_array_equal(mine[1], theirs[1])


CLASSES = [
    "os:system", "subprocess:Popen", "builtins:eval", "canary:Canary", "features:canary",
    "own:Popen", "sklearn:sklearn.base.BaseEstimator", "sklearn:KFold;os", "sklearn:clone",
    "encodekit:load", "encodekit:Study", "encodekit:Result", "encodekit:__getattr__",
    "commands:demo", "studies:simulated", "panels:scores", "metrics:correlation", "losses:l2",
    "backbones:tiny", "encodekit", "", ":", "features:", "ｓklearn:Pipeline",
    "sklearn:Pipe\u200bline",
]  # fmt: skip


@pytest.mark.parametrize("key", CLASSES, ids=ascii)
def test_a_class_that_a_file_names_is_found_by_its_registered_name_or_not(
    saved, key, tmp_path, monkeypatch
):
    (tmp_path / "canary.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\n")
    monkeypatch.syspath_prepend(tmp_path)
    edited(saved, lambda model: model.update({"class": key}))
    with pytest.raises(
        ValueError, match=r"nothing was loaded|unknown|does not take|no type|class"
    ) as caught:
        ek.load(saved)
    assert type(caught.value) is ValueError
    assert "canary" not in sys.modules
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def result():
    coords = {"model": ["m"], "target": ["a", "b"], "participant": ("target", ["P1", "P1"])}
    return ek.Result("r", xr.DataArray(np.ones((1, 2)), dims=("model", "target"), coords=coords))


class TestCodecs:
    """A zarr store names the code that reads its chunks."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"compressor": {"id": "pickle"}},
            {"filters": [{"id": "pickle"}]},
            {"filters": [{"id": "vlen-utf8"}, {"id": "pickle"}]},
            {"compressor": {"id": "json2"}, "dtype": "|O", "filters": None},
            {"compressor": {"id": "msgpack2"}},
            {"compressor": {"name": "x", "id": "pickle"}},
            {"compressor": "pickle"},
        ],
        ids=str,
    )
    def test_of_a_result_others_than_ours_are_refused(self, result, changes, tmp_path):
        folder = result.save(tmp_path / "r.zarr")
        self.replace_chunks(folder, "scores.participant", tmp_path / "opened")
        path = folder / "scores.participant" / ".zarray"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
        write_manifest(folder, "result")
        with pytest.raises(ValueError, match="names the codec"):
            ek.Result.load(folder)
        assert not (tmp_path / "opened").exists()

    @pytest.mark.parametrize(
        "codecs",
        [
            [{"name": "numcodecs.pickle", "configuration": {}}],
            [{"name": "bytes"}, {"name": "pickle"}],
            ["numcodecs.pickle"],
            [{"id": "pickle"}],
            [
                {
                    "name": "sharding_indexed",
                    "configuration": {"codecs": [{"name": "numcodecs.pickle"}]},
                }
            ],
        ],
        ids=str,
    )
    def test_of_a_study_others_than_ours_are_refused(self, saved_study, codecs, tmp_path):
        array = saved_study / "responses.zarr" / "0" / "0"
        self.replace_chunks(array, "c", tmp_path / "opened")
        metadata = json.loads((array / "zarr.json").read_text()) | {"codecs": codecs}
        (array / "zarr.json").write_text(json.dumps(metadata))
        write_manifest(saved_study, "study")
        responses = ek.load_study(saved_study).responses()
        with pytest.raises(OSError, match="names the codec"):
            responses[0].compute()
        assert not (tmp_path / "opened").exists()

    def replace_chunks(self, folder, name, mark):
        for path in (folder / name).rglob("*"):
            if path.is_file() and not path.name.startswith((".z", "zarr")):
                path.write_bytes(pickle.dumps(Opened(mark)))


def config(folder, **content):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(content))


@pytest.fixture
def trap(tmp_path):
    """A backbone's folder whose configuration names code of its own."""
    folder = tmp_path / "backbone"
    folder.mkdir()
    (folder / "evil.py").write_text(
        f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\nclass A: pass\nEvil = Config = A\n"
    )
    return folder


@pytest.fixture
def answers_yes(monkeypatch):
    asked = []
    monkeypatch.setattr("builtins.input", lambda *told: asked.append(told) or "y")
    return asked


MAPS = {"AutoConfig": "evil.Config", "AutoModel": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"}


class TestBackbones:
    @pytest.fixture(autouse=True)
    def transformers(self):
        pytest.importorskip("transformers")

    def refused(self, trap, read, asked, told):
        with pytest.raises((ValueError, OSError), match=told):
            read()
        assert asked == []
        assert not (trap.parent / "ran").exists()

    def test_code_of_a_speech_model_is_not_run_and_nobody_is_asked(self, trap, answers_yes):
        config(trap, model_type="evilnet", architectures=["Evil"], auto_map=MAPS)
        read = lambda: ek.features.load_backbone(trap)  # noqa: E731
        self.refused(trap, read, answers_yes, "needs code that comes with it")

    def test_nor_that_of_its_feature_extractor(self, trap, answers_yes):
        real = next(
            path.parent
            for path in __import__("pathlib")
            .Path(__import__("encodekit_brain_tuning").__file__)
            .parent.rglob("config.json")
        )
        for path in real.iterdir():
            shutil.copy(path, trap) if path.is_file() else None
        reader = {"feature_extractor_type": "Evil", "auto_map": {"AutoFeatureExtractor": "evil.A"}}
        (trap / "preprocessor_config.json").write_text(json.dumps(reader))
        read = lambda: ek.features.load_backbone(trap)  # noqa: E731
        self.refused(trap, read, answers_yes, "needs code that comes with it")

    def test_nor_that_of_a_language_model_or_its_tokenizer(self, trap, answers_yes, study):
        config(trap, model_type="evilnet", auto_map=MAPS)
        (trap / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["evil.A", None]}})
        )
        from encodekit.features._language_model import load_language_model

        read = lambda: load_language_model(trap, "cpu")  # noqa: E731
        self.refused(trap, read, answers_yes, "code that comes with it|was not found")

    def test_nor_that_of_what_is_tuned_or_is_a_target_of_tuning(self, trap, answers_yes):
        config(trap, model_type="evilnet", auto_map=MAPS)
        from encodekit_brain_tuning.baselines._targets import _published_layers
        from encodekit_brain_tuning.objectives._contrastive import with_quantiser

        for read in (lambda: with_quantiser(trap), lambda: _published_layers(trap)):
            self.refused(trap, read, answers_yes, "needs code that comes with it")

    @pytest.mark.parametrize("told", ["evil/evil", "kernels-community/flash", "evil", 3, ["x"]])
    def test_attention_that_is_code_from_elsewhere_is_refused(self, trap, told):
        config(trap, model_type="hubert", attn_implementation=told)
        self.refused(trap, lambda: ek.features.load_backbone(trap), [], "asks for the attention")

    def test_an_adapter_beside_the_weights_is_refused(self, trap, tmp_path, monkeypatch):
        (tmp_path / "canary_core.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'ran')!r})")
        monkeypatch.syspath_prepend(tmp_path)
        config(trap, model_type="hubert")
        (trap / "adapter_config.json").write_text(
            json.dumps({"peft_type": "LORA", "megatron_config": {}, "megatron_core": "canary_core"})
        )
        read = lambda: ek.features.load_backbone(trap)  # noqa: E731
        self.refused(trap, read, [], "holds an adapter")


def test_every_pretrained_model_is_read_by_the_one_function():
    """What reads a model elsewhere would have to refuse code and adapters anew."""
    from pathlib import Path

    found = [
        path.name
        for root in ("encodekit", "plugins", "adapters")
        for path in (Path(__file__).parents[2] / root).rglob("*.py")
        if ".from_pretrained(" in path.read_text().replace("model = AutoModel.from_pretrained(", "")
    ]
    assert found == ["_hub.py"]


def test_a_pipeline_without_a_cache_is_saved_without_a_warning(fitted, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(ek.load(ek.save(fitted, tmp_path / "m")), Pipeline)
