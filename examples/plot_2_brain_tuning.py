"""
Brain-tuning is a feature extractor
===================================

``fit`` fine-tunes a speech model on the fMRI of some people; ``frozen()`` is a step of anybody's
pipeline. Stories that tune, validate, fit the ridge and test are disjoint, checked by the content
of their audio.
"""

from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit_brain_tuning import AllWeights, BrainTunedFeatures, GlasserSelector, Training

study = ek.simulate_study(3, 6, minutes=0.6, vertices=60, n_test=1, test_repeats=3, seed=4)
story = [stimulus.name for stimulus in study.stimuli]
parts = study.split(tune=story[:2], validate=story[2:3], fit=story[3:5], test=story[5:])

# %%
# Two people's language and auditory areas tune a small model, for one pass over two short stories:
# enough to see how it is done, not to make the model better.
tuned = BrainTunedFeatures(
    "tiny",
    targets=GlasserSelector(["late_language", "early_auditory"]),
    update=AllWeights(),
    training=Training(learning_rate=1e-3, epochs=1),
)
tuned.fit(
    parts.tune.stimuli,
    parts.tune.responses(participants=["P1", "P2"]),
    validation=parts.validate,
)
print(tuned.history_.round(3))

# %%
# A third person, and stories that no tuning saw.
new_person = make_pipeline(tuned.frozen(), ek.Delayer(seconds=[2, 4, 6, 8]), ek.RidgeCV())
new_person.fit(parts.fit.stimuli, parts.fit.responses(participants=["P3"]))
scores = ek.correlation(
    parts.test.responses(participants=["P3"]), new_person.predict(parts.test.stimuli)
)
print(f"mean r over {scores.sizes['target']} targets: {float(scores.mean()):.3f}")
