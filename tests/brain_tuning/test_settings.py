"""Parameters that are objects: read, searched and replaced by scikit-learn, and named."""

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError

import pytest
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit_brain_tuning import (
    AllWeights,
    BottleneckHead,
    BrainTunedFeatures,
    Contrastive,
    Exact,
    HeadOnly,
    Hybrid,
    IndividualHead,
    Joint,
    Lora,
    LowRankHead,
    MlpHead,
    ResponseMean,
    Sequential,
    SharedHead,
    SharedResponse,
    StimulusTunedFeatures,
    Streamed,
    TopBlocks,
    Training,
    Units,
    UnseenHead,
)

NAMED = {
    "participants": {
        "joint": Joint(),
        "sequential": Sequential(),
        "response_mean": ResponseMean(),
        "shared_response": SharedResponse(),
    },
    "head": {
        "shared": SharedHead(),
        "individual": IndividualHead(),
        "low_rank": LowRankHead(),
        "bottleneck": BottleneckHead(),
        "mlp": MlpHead(),
        "unseen": UnseenHead(),
    },
    "update": {
        "lora": Lora(),
        "all_weights": AllWeights(),
        "top_blocks": TopBlocks(),
        "head_only": HeadOnly(),
    },
    "windows": {"streamed": Streamed(), "exact": Exact()},
}
PAIRS = [(kind, name) for kind, names in NAMED.items() for name in names]


def within(settings):
    """Parameters of settings that are one deep."""
    return settings.get_params(deep=False)


def test_deep_parameters_reach_into_objects_and_into_names():
    features = BrainTunedFeatures("tiny", head="mlp", update=Lora(rank=4))
    found = features.get_params()
    assert (found["update"], found["update__rank"], found["update__dropout"]) == (Lora(4), 4, None)
    assert (found["head"], found["head__n_hidden"], found["head__start"]) == ("mlp", 128, "ridge")
    assert found["training__epochs"] == 30
    assert found["windows__chunk"] == 30.0
    plain = features.get_params(deep=False)
    assert plain == {name: value for name, value in found.items() if "__" not in name}
    assert list(plain) == sorted(inspect.signature(BrainTunedFeatures).parameters)


def test_all_deep_parameters_can_be_set_again():
    features = BrainTunedFeatures("tiny", head="mlp", loss=Hybrid(end=0.9), targets=["A1"])
    other = BrainTunedFeatures(head="mlp", loss=Hybrid()).set_params(**features.get_params())
    assert other.get_params() == features.get_params() | {"head": MlpHead()}


def test_setting_what_is_within_puts_a_changed_copy_in_its_place():
    given = Lora(rank=2, modules=["q_proj"])
    one, other = (BrainTunedFeatures("tiny", update=given) for _ in range(2))
    assert one.set_params(update__rank=4, update__alpha=1.0) is one
    assert one.update == Lora(rank=4, modules=["q_proj"], alpha=1.0)
    assert other.update is given
    assert given == Lora(rank=2, modules=["q_proj"])


def test_the_defaults_that_all_extractors_share_are_never_changed():
    parameters = inspect.signature(BrainTunedFeatures).parameters
    before = {name: repr(parameter.default) for name, parameter in parameters.items()}
    changed = {
        "participants__reduction": "participants", "head__start": "random", "update__rank": 1,
        "windows__chunk": 20.0, "training__epochs": 1, "runtime__device": "cpu",
    }  # fmt: skip
    features = BrainTunedFeatures().set_params(**changed)
    assert {name: features.get_params()[name] for name in changed} == changed
    fresh = BrainTunedFeatures()
    after = {name: repr(parameter.default) for name, parameter in parameters.items()}
    assert after == before
    assert not set(changed.items()) & set(
        {name: fresh.get_params()[name] for name in changed}.items()
    )


def test_settings_themselves_do_not_change():
    lora = Lora()
    with pytest.raises(FrozenInstanceError):
        lora.rank = 4
    with pytest.raises(TypeError, match=r"Lora does not change.*replace\(rank=4\).*__parameter"):
        lora.set_params(rank=4)
    assert lora.replace(rank=4) == Lora(rank=4)
    assert lora == Lora()


def test_an_object_and_what_is_within_it_may_be_set_at_once():
    features = BrainTunedFeatures().set_params(update__rank=3, update=Lora(modules=["v_proj"]))
    assert features.update == Lora(rank=3, modules=["v_proj"])


def test_a_loss_that_is_settings_is_replaced_too():
    loss = Hybrid(begin=0.1)
    features = BrainTunedFeatures(loss=loss)
    assert features.get_params()["loss__begin"] == 0.1
    features.set_params(loss__end=0.9)
    assert features.loss == Hybrid(begin=0.1, end=0.9)
    assert loss == Hybrid(begin=0.1)
    with pytest.raises(ValueError, match=r"'loss': Hybrid: unknown parameter 'edn': did you mean"):
        features.set_params(loss__edn=0.5)


@pytest.mark.parametrize(
    "features",
    [
        BrainTunedFeatures("tiny", update=Lora(2), head="mlp", training=Training(epochs=3)),
        StimulusTunedFeatures("tiny", objective=Units(5), update="top_blocks"),
        StimulusTunedFeatures("tiny"),
    ],
)
def test_clones_have_the_same_parameters_and_their_own_ways(features):
    copied = clone(features)
    assert copied is not features
    assert copied.get_params() == features.get_params()
    before = features.get_params()
    copied.set_params(training__epochs=7, update__dropout=0.3)
    assert features.get_params() == before
    assert (copied.training.epochs, copied.update.dropout) == (7, 0.3)


@pytest.mark.parametrize(
    "settings",
    [
        Lora(4, "attention+feed_forward"),
        Training(epochs=2),
        Streamed(10, 1, join=118),
        MlpHead(n_hidden=3, layer=2),
    ],
)
def test_settings_are_copied_and_sent_to_other_processes(settings):
    assert clone(settings) == settings
    assert copy.deepcopy(settings) == settings
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert eval(repr(settings)) == settings


def test_the_repr_says_what_is_not_the_default():
    assert repr(Lora()) == "Lora()"
    assert repr(Lora(8, dropout=0.1)) == "Lora(dropout=0.1)"
    assert repr(Streamed(10, 1, join=118)) == "Streamed(chunk=10, overlap=1, join=118)"
    features = BrainTunedFeatures("tiny", update=AllWeights(), training=Training(epochs=6))
    assert " ".join(repr(features).split()) == (
        "BrainTunedFeatures(backbone='tiny', training=Training(epochs=6), update=AllWeights())"
    )


def test_help_shows_the_parameters_of_settings():
    names = ["rank", "modules", "alpha", "blocks", "dropout"]
    assert list(inspect.signature(Lora).parameters) == names
    assert inspect.signature(TopBlocks).parameters["n"].default == 2


@pytest.mark.parametrize(("kind", "name"), PAIRS)
def test_a_name_stands_for_an_object_with_its_defaults(kind, name):
    features = BrainTunedFeatures("tiny", **{kind: name})
    assert features.setting(kind) == NAMED[kind][name]
    expected = BrainTunedFeatures("tiny", **{kind: NAMED[kind][name]})
    assert features.settings() == expected.settings()
    assert getattr(features, kind) == name  # as it was given
    deep = {key: value for key, value in features.get_params().items() if key.startswith(kind)}
    assert deep == {kind: name} | {
        f"{kind}__{key}": value for key, value in within(NAMED[kind][name]).items()
    }


@pytest.mark.parametrize(
    ("kind", "name", "changes", "expected"),
    [
        ("update", "lora", {"rank": 2}, Lora(2)),
        ("update", "top_blocks", {"n": 1, "dropout": 0.2}, TopBlocks(1, dropout=0.2)),
        ("head", "bottleneck", {"rank": 5}, BottleneckHead(5)),
        ("head", "shared", {"start": "random"}, SharedHead(start="random")),
        ("participants", "shared_response", {"n_components": 3}, SharedResponse(3)),
        ("participants", "joint", {"z_score": False}, Joint(z_score=False)),
        ("windows", "exact", {"pooling": "last"}, Exact("last")),
        ("windows", "streamed", {"chunk": 20.0}, Streamed(20.0)),
    ],
)
def test_what_is_within_a_name_can_be_set(kind, name, changes, expected):
    nested = {f"{kind}__{key}": value for key, value in changes.items()}
    together = BrainTunedFeatures("tiny").set_params(**nested, **{kind: name})
    after = BrainTunedFeatures("tiny", **{kind: name}).set_params(**nested)
    assert getattr(together, kind) == getattr(after, kind) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("units", Units()), ("contrastive", Contrastive())],
)
def test_objectives_have_names_too(name, expected):
    features = StimulusTunedFeatures("tiny", objective=name)
    assert features.settings().objective == expected
    assert StimulusTunedFeatures("tiny", objective="units").set_params(
        objective__n_units=7
    ).objective == Units(7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"upate": Lora()}, r"unknown parameter of BrainTunedFeatures 'upate': .*'update'"),
        ({"upate__rank": 3}, r"unknown parameter of BrainTunedFeatures 'upate': .*'update'"),
        ({"update__rnak": 3}, r"parameter 'update': Lora: unknown parameter 'rnak': .*'rank'"),
        ({"head__strat": "ridge"}, r"'head': SharedHead: unknown parameter 'strat': .*'start'"),
        ({"training__epoch": 3}, r"'training': Training: unknown parameter 'epoch': .*'epochs'"),
        ({"runtime__devise": "cpu"}, r"'runtime': Runtime: unknown parameter 'devise'.*'device'"),
        ({"a": 1, "b__c": 2}, r"BrainTunedFeatures 'a': .*; .*BrainTunedFeatures 'b': "),
        ({"head__start": "rigde"}, r"SharedHead: unknown start 'rigde': did you mean 'ridge'\?"),
        ({"update__rank": 0}, r"Lora: rank=0: expected at least 1"),
        ({"training__keep": "bets"}, r"Training: unknown keep 'bets': did you mean 'best'\?"),
        ({"windows__overlap": 40.0}, r"Streamed: chunk=30 s and overlap=40 s"),
    ],
)
def test_a_wrong_parameter_is_answered_where_it_is_set(changes, message):
    features = BrainTunedFeatures("tiny")
    before = features.get_params()
    with pytest.raises(ValueError, match=message):
        features.set_params(**changes)
    assert features.get_params() == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Lora(rnak=4), r"Lora: unknown parameter 'rnak': did you mean 'rank'\?"),
        (lambda: Training(epoch=3), r"Training: unknown parameter 'epoch': did you mean 'epochs'"),
        (lambda: MlpHead(rank=3), r"MlpHead: unknown parameter 'rank': known: .*'n_hidden'"),
        (lambda: Lora().replace(rnak=4), r"Lora: unknown parameter 'rnak': did you mean 'rank'"),
    ],
)
def test_a_wrong_parameter_of_settings_is_answered(make, message):
    with pytest.raises(TypeError, match=message):
        make()


@pytest.mark.parametrize(
    ("kind", "name", "close"),
    [
        ("participants", "jiont", "joint"),
        ("participants", "sequental", "sequential"),
        ("head", "bottlneck", "bottleneck"),
        ("head", "shared+low_rank", "low_rank"),
        ("update", "lorra", "lora"),
        ("update", "all_weigths", "all_weights"),
        ("windows", "stremed", "streamed"),
        ("loss", "corelation", "correlation"),
    ],
)
def test_an_unknown_name_is_answered_with_close_ones(stories, responses, kind, name, close):
    features = BrainTunedFeatures("tiny", **{kind: name})
    with pytest.raises(ValueError, match=rf"unknown \w+ '.*': did you mean .*'{close}'"):
        features.fit(stories[:1], responses[:1])


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("update", Lora, r"update is Lora itself, expected Update or one of .*'lora'.*: pass Lora"),
        ("head", Lora(), r"head is a Lora, expected Head or one of .*'shared'"),
        ("participants", 3, r"participants is a int, expected Strategy or one of .*'joint'"),
        ("windows", None, r"windows is a NoneType, expected Windows or one of 'streamed'"),
        ("training", "fast", r"training is a str, expected Training: pass Training\(\.\.\.\)"),
        ("runtime", {"device": "cpu"}, r"runtime is a dict, expected Runtime: pass Runtime"),
    ],
)
def test_what_is_neither_an_object_nor_a_name_is_refused(kind, value, message):
    with pytest.raises(TypeError, match=message):
        BrainTunedFeatures("tiny", **{kind: value}).settings()


def test_dropout_where_nothing_learns_is_refused_by_name():
    with pytest.raises(ValueError, match=r"HeadOnly\(dropout=0\.1\): nothing of the backbone"):
        HeadOnly(dropout=0.1)
    features = BrainTunedFeatures("tiny", update="head_only")
    with pytest.raises(ValueError, match=r"HeadOnly\(dropout=0\.2\).*leave dropout out"):
        features.set_params(update__dropout=0.2).settings()
    assert HeadOnly(dropout=0.0).dropout == 0.0


def test_windows_of_features_alone_are_refused():
    with pytest.raises(ValueError, match=r"windows=Context\(\) are for features: pass Streamed"):
        BrainTunedFeatures("tiny", windows="context").settings()


def test_a_grid_reaches_ranks_and_heads_through_a_pipeline():
    pipeline = make_pipeline(BrainTunedFeatures("tiny"), ek.Delayer([1]), ek.RidgeCV())
    heads = [SharedHead(), MlpHead(), "bottleneck"]
    grid = ParameterGrid(
        {"braintunedfeatures__update__rank": [4, 8], "braintunedfeatures__head": heads}
    )
    made = []
    for point in grid:  # as GridSearchCV makes its candidates
        given = {name: clone(value, safe=False) for name, value in point.items()}
        candidate = clone(pipeline).set_params(**given)
        made.append((candidate[0].update, candidate[0].head))
        assert candidate.get_params()["braintunedfeatures__update__rank"] in (4, 8)
    assert made == [(Lora(rank), head) for head in heads for rank in (4, 8)]
    assert pipeline[0].get_params() == BrainTunedFeatures("tiny").get_params()


def test_a_head_and_what_is_within_it_are_searched_together():
    pipeline = make_pipeline(BrainTunedFeatures("tiny"), ek.Delayer([1]))
    grid = [
        {"braintunedfeatures__head": [LowRankHead(), "bottleneck"],
         "braintunedfeatures__head__rank": [2, 3]},
        {"braintunedfeatures__head": [SharedHead()]},
    ]  # fmt: skip
    made = [clone(pipeline).set_params(**point)[0].head for point in ParameterGrid(grid)]
    assert made == [
        LowRankHead(2), LowRankHead(3), BottleneckHead(2), BottleneckHead(3), SharedHead()
    ]  # fmt: skip
