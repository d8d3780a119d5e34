import numpy as np
import pytest
import torch
from torch import nn
from transformers import Wav2Vec2FeatureExtractor

from encodekit.features import load_backbone as load_pretrained
from encodekit_brain_tuning import AllWeights, Exact
from encodekit_brain_tuning.heads import SharedHeadModule
from encodekit_brain_tuning.losses import correlation, l2
from encodekit_brain_tuning.targets import align, weighted_mean
from encodekit_brain_tuning.training import TuningClips, TuningModel

PEOPLE = ("P1", "P2", "P3")


@pytest.fixture(scope="module")
def story(make_story):
    return make_story(seconds=20)


def gradient(module):
    found = {
        name: p.grad.clone() for name, p in module.named_parameters()
        if p.grad is not None and "feature_extractor" not in name
    }  # fmt: skip
    module.zero_grad()
    return found


@pytest.mark.parametrize(("loss", "reduce"), [(correlation, False), (l2, False), (l2, True)])
def test_one_joint_gradient_is_the_mean_of_the_published_loops(
    backbone, backbone_folder, story, make_responses, reference, loss, reduce
):
    lengths = {story.run_name: story.n_trs}
    responses = make_responses([story], PEOPLE)
    shared, by_person = (
        align(responses, lengths, z_score=True, combine=combine)
        for combine in (weighted_mean if reduce else None, None)
    )
    AllWeights().prepare(backbone)
    torch.manual_seed(0)
    model = TuningModel(backbone, SharedHeadModule(backbone.n_features, len(shared.keys))).train()
    clips = TuningClips([story], shared, backbone, Exact())
    rows = [5, 6, 7, 8]
    batch = clips.batch(rows)
    predicted = model(batch["frames"], batch["pooling_weights"])
    loss(predicted, batch["true"], batch["mask"]).backward()
    ours = gradient(model)

    whole, _ = load_pretrained(backbone_folder)
    for module in whole.modules():  # the published loop trains with dropout: not for this equality
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    published = reference("published_tuning")
    values = by_person.runs[story.run_name].values
    tale = published.Story(
        story.load_audio(2000), story.grid, 2.0, dict(zip(PEOPLE, values, strict=True))
    )
    loop = published.PublishedLoop(
        whole, Wav2Vec2FeatureExtractor(sampling_rate=2000), model.head, loss
    )
    theirs = []
    for person in PEOPLE:
        loop.backward(tale, np.array(rows), [person])
        theirs.append(gradient(whole) | {f"head.{k}": v for k, v in gradient(model.head).items()})
    names = [name.removeprefix("backbone.model.") for name in ours]
    expected = torch.cat(
        [torch.stack([each[name] for each in theirs]).mean(dim=0).ravel() for name in names]
    )
    found = torch.cat([part.ravel() for part in ours.values()])
    assert float(torch.linalg.norm(found - expected) / torch.linalg.norm(expected)) < 1e-5
