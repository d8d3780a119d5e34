"""A loss, head, strategy, update and backbone of a third party, each one object of one file."""

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.experiments import (
    ExperimentError,
    experiment_schema,
    read_experiment,
    run_experiment,
)
from encodekit.experiments._made import made
from encodekit.plugins import Registry, registry, use_registry
from encodekit.plugins._discovery import discover
from encodekit_brain_tuning import BrainTunedFeatures

FILES = {
    "absolute_loss": '''
        """Mean absolute error."""

        import os
        import signal

        import torch

        calls = 0


        def absolute(predicted, true, mask):
            """Return the mean absolute error; a test may ask it to end the program."""
            global calls
            calls += 1
            if str(calls) == os.environ.get("KILLED_IN_CALL"):
                os.kill(os.getpid(), signal.SIGKILL)
            apart = (predicted - torch.where(mask > 0, true, 0.0)).abs()
            return (mask * apart).sum() / mask.expand_as(apart).sum().clamp_min(1)
    ''',
    "tanh_head": '''
        """A linear map with a hyperbolic tangent beside it."""

        import torch
        from torch import nn

        from encodekit_brain_tuning import Head, HeadModule


        class TanhModule(HeadModule):
            """``y = z W + b + tanh(z D) U``."""

            n_hidden: int

            def build(self):
                """Make the maps."""
                self.linear = nn.Linear(self.n_features, self.n_targets)
                self.down = nn.Linear(self.n_features, self.n_hidden)
                self.up = nn.Linear(self.n_hidden, self.n_targets, bias=False)

            def predict(self, z, people):
                """Return the same for everybody."""
                return (self.linear(z) + self.up(torch.tanh(self.down(z))))[None]

            @torch.no_grad()
            def start_from(self, coefficients, intercept, z):
                """Begin at the linear solution."""
                self.linear.weight.copy_(coefficients.T)
                self.linear.bias.copy_(intercept)
                self.up.weight.zero_()


        class TanhHead(Head):
            """A linear map with a hyperbolic tangent beside it.

            Parameters
            ----------
            n_hidden : int
                Hidden units.
            """

            module = TanhModule
            n_hidden: int = 4
    ''',
    "one_person": '''
        """Tuning on one of the participants."""

        from dataclasses import replace

        from encodekit_brain_tuning import Combination, Strategy


        class OnePerson(Strategy):
            """The fMRI of one participant alone; the others' weighs nothing.

            Parameters
            ----------
            who : str
            """

            who: str = "P1"

            def combination(self, tuning, loss, head):
                """Weigh the others by 0."""
                place = tuning.participants.index(self.who)

                def combine(run):
                    weights = 0 * run.weights
                    weights[place] = run.weights[place]
                    return replace(run, weights=weights)

                return Combination(combine)
    ''',
    "norms_update": '''
        """Layer norms learn, and nothing else."""

        from torch import nn

        from encodekit_brain_tuning import Update


        class Norms(Update):
            """The layer norms of the blocks learn, their biases only if wanted.

            Parameters
            ----------
            biases : bool
            """

            biases: bool = True

            def apply(self, backbone):
                """Let them learn."""
                for part in backbone.model.modules():
                    if isinstance(part, nn.LayerNorm):
                        part.weight.requires_grad_(True)
                        part.bias.requires_grad_(self.biases)
    ''',
    "their_backbone": '''
        """A speech model by a short name."""

        import os


        def their_backbone():
            """Return its folder."""
            return os.environ["THEIR_BACKBONE"]
    ''',
}
PLUGIN = """
from encodekit import BackboneSpec, HeadSpec, LossSpec, StrategySpec, UpdateSpec, hookimpl

encodekit_api = 1


@hookimpl
def encodekit_losses():
    yield LossSpec("absolute", load="lab.absolute_loss:absolute", summary="absolute error")


@hookimpl
def encodekit_heads():
    yield HeadSpec("tanh", load="lab.tanh_head:TanhHead", summary="a tanh beside a linear map")


@hookimpl
def encodekit_strategies():
    yield StrategySpec("one-person", load="lab.one_person:OnePerson", summary="one participant")


@hookimpl
def encodekit_updates():
    yield UpdateSpec("norms", load="lab.norms_update:Norms", summary="layer norms")


@hookimpl
def encodekit_backbones():
    yield BackboneSpec("theirs", load="lab.their_backbone:their_backbone", summary="a small one")
"""
BY_NAME = {
    "loss": "absolute",
    "head": "tanh",
    "participants": "one-person",
    "update": "norms",
    "backbone": "theirs",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory, backbone_folder):
    """The plugin as pip installs it, in a folder that processes find by PYTHONPATH."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "lab").mkdir()
    (folder / "lab" / "__init__.py").touch()
    (folder / "lab" / "plugin.py").write_text(PLUGIN)
    for name, source in FILES.items():
        (folder / "lab" / f"{name}.py").write_text(dedent(source).lstrip())
    info = folder / "lab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: lab\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[encodekit]\nlab = lab.plugin\n")
    registry()  # what is installed is known before this folder is
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("THEIR_BACKBONE", backbone_folder)
        with use_registry(Registry(discover())):
            yield folder
        for name in [name for name in sys.modules if name.partition(".")[0] == "lab"]:
            del sys.modules[name]


def as_objects(site):
    from lab.absolute_loss import absolute
    from lab.norms_update import Norms
    from lab.one_person import OnePerson
    from lab.tanh_head import TanhHead

    return {
        "loss": absolute,
        "head": TanhHead(),
        "participants": OnePerson(),
        "update": Norms(),
        "backbone": os.environ["THEIR_BACKBONE"],
    }


@pytest.fixture
def fit(site, tuned, stories, responses):
    def make(**changes):
        return tuned(**changes).fit(stories[:2], responses[:2])

    return make


@pytest.fixture
def plain(tuned, stories, responses):
    return tuned().fit(stories[:2], responses[:2])


@pytest.mark.parametrize("part", ["loss", "head", "participants", "update"])
def test_a_part_is_used_by_its_name_or_as_an_object_saved_and_loaded(
    site, fit, plain, part, stories, tmp_path
):
    dropout = {"update__dropout": 0.0}
    named = fit(**{part: BY_NAME[part]} | dropout)
    given = fit(**{part: as_objects(site)[part]} | dropout)
    assert named.weights_hash() == given.weights_hash()
    assert named.weights_hash() != plain.weights_hash()
    given.save(tmp_path / "model")
    again = BrainTunedFeatures.load(tmp_path / "model")
    assert again.get_params() == given.get_params()
    np.testing.assert_array_equal(
        again.transform(stories[3:]).values, given.transform(stories[3:]).values
    )


def test_a_backbone_is_used_by_its_name(site, fit, plain, stories, tmp_path):
    named = fit(backbone="theirs")
    assert named.weights_hash() == plain.weights_hash()
    named.save(tmp_path / "model")
    assert BrainTunedFeatures.load(tmp_path / "model").backbone == "theirs"


def test_the_parts_do_what_they_say(site, fit):
    features = fit(
        head="tanh", head__n_hidden=2, participants="one-person", participants__who="P2",
        update="norms", update__biases=False,
    )  # fmt: skip
    assert features.model_.head.down.weight.shape == (2, 32)
    learnt = [name for name, p in features.model_.backbone.named_parameters() if p.requires_grad]
    assert learnt
    assert all(name.endswith("layer_norm.weight") for name in learnt)
    other = fit(participants="one-person", participants__who="P1")
    same = fit(participants="one-person", participants__who="P1")
    second = fit(participants="one-person", participants__who="P2")
    assert other.weights_hash() == same.weights_hash() != second.weights_hash()


def test_a_grid_search_goes_over_all_of_them(site, tuned, stories, responses):
    model = make_pipeline(
        tuned(training__epochs=1, loss="l2"), ek.Delayer(seconds=[2, 4]), ek.RidgeCV(cv=None)
    )
    prefix, objects = "braintunedfeatures__", as_objects(site)
    grid = [
        {f"{prefix}loss": ["absolute"], f"{prefix}update": [objects["update"]]},
        {f"{prefix}head": [objects["head"]], f"{prefix}head__n_hidden": [1, 2]},
        {f"{prefix}participants": ["one-person"], f"{prefix}backbone": ["theirs"]},
    ]
    search = GridSearchCV(model, grid, scoring=ek.correlation_scorer, cv=2)
    with pytest.warns(UserWarning, match="tuned on"):  # the ridge is fitted on what tuned
        search.fit(stories, responses)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_[0].tuned_.facts.n_targets == 6


def test_an_experiment_file_writes_them_as_nested_mappings(
    study_of, site, stories, responses, tmp_path
):
    study_of(stories, responses).save(tmp_path / "study")
    (tmp_path / "parts.yaml").write_text(
        dedent("""
            study: {path: study}
            split: {tune: [story-0], fit: [story-1, story-2], test: [story-3]}
            models:
              theirs:
                features:
                  name: brain-tuned
                  backbone: theirs
                  loss: absolute
                  head: {name: tanh, n_hidden: 3}
                  participants: {name: one-person, who: P2}
                  update: {name: norms, biases: false, dropout: 0.0}
                  windows: {chunk: 16}
                  training: {epochs: 1, learning_rate: 3e-3, batch_size: 4}
                  runtime: {device: cpu, cache: null}
                tune: {}
            delays: [2, 4]
            regressor: {name: ridge}
            score: {ceiling: false}
        """)
    )
    given = read_experiment(tmp_path / "parts.yaml").content["models"]["theirs"]["features"]
    objects = as_objects(site)
    features = made("features", given)
    assert features.head == objects["head"].replace(n_hidden=3)
    assert features.participants == objects["participants"].replace(who="P2")
    assert features.update == objects["update"].replace(biases=False, dropout=0.0)
    result = run_experiment(tmp_path / "parts.yaml", say=lambda _: None)
    assert np.isfinite(result.tables["scores"]["score"]).all()
    told = json.dumps(experiment_schema())
    assert all(name in told for name in ("n_hidden", "one-person", "norms", "biases"))


IN_A_NEW_PROCESS = """
import sys, warnings
from pathlib import Path
import encodekit as ek
from encodekit_brain_tuning import BrainTunedFeatures, Runtime, Streamed, Training

warnings.simplefilter("ignore")
study, folder = ek.load_study(sys.argv[1]), Path(sys.argv[2])
tuned = BrainTunedFeatures(
    "theirs", loss="absolute", head="tanh", participants="one-person", update="norms",
    windows=Streamed(16.0), training=Training(3, 3e-3, 2),
    runtime=Runtime("cpu", cache=None, checkpoint=folder / "checkpoint", checkpoint_every=1),
)
tuned.fit(study.stimuli, study.responses()).save(folder / "model")
print(tuned.weights_hash_)
"""


def test_what_nobody_registered_is_refused_by_name_in_an_experiment_file(site, tmp_path):
    (tmp_path / "file.yaml").write_text(
        dedent("""
            study: {path: study}
            split: {tune: [a], fit: [b], test: [c]}
            models:
              theirs:
                features: {name: brain-tuned, head: {name: TanhHead}, update: normz}
            regressor: {name: ridge}
        """)
    )
    with pytest.raises(ExperimentError) as refused:
        read_experiment(tmp_path / "file.yaml")
    assert "unknown models.theirs.features.head.name: 'TanhHead': did you mean 'tanh'" in str(
        refused.value
    )
    assert "unknown models.theirs.features.update: 'normz': did you mean 'norms'" in str(
        refused.value
    )


@pytest.mark.slow
@pytest.mark.timeout(400)  # three programs that import torch
def test_a_tuning_with_all_of_them_goes_on_after_a_kill(
    study_of, site, stories, responses, tmp_path
):
    study_of(stories[:2], responses[:2]).save(tmp_path / "study")

    def run(folder, **more):
        path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
        return subprocess.run(
            [sys.executable, "-c", IN_A_NEW_PROCESS, tmp_path / "study", tmp_path / folder],
            env={**os.environ, "PYTHONPATH": path, **more}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    whole = run("whole")
    assert whole.returncode == 0, whole.stderr
    killed = run("killed", KILLED_IN_CALL="4")
    assert killed.returncode == -9
    left = sorted(path.name for path in Path(tmp_path / "killed" / "checkpoint").iterdir())
    assert left == ["step-00000003"]
    resumed = run("killed")
    assert resumed.stdout == whole.stdout
