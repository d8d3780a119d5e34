"""
The classic pipeline
====================

Features of a speech model, delays, ridge regression for all participants at once, scores against
the noise ceiling. A run is the unit, and a participant is a coordinate.
"""

import numpy as np
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.reports import plot_by_region

# %%
# Spoken stories and simulated fMRI of three people; the last story was heard three times.
study = ek.simulate_study(3, 5, minutes=0.6, vertices=60, n_test=1, test_repeats=3, seed=4)
print(study.describe())

# %%
# Stories are held out whole, so no TR of the test story leaks into training.
train, test = study.split(test=["story-05"])

model = make_pipeline(
    ek.SpeechFeatures("tiny", layer=3),
    ek.Delayer(seconds=[2, 4, 6, 8]),
    ek.RidgeCV(alphas=np.logspace(0, 7, 8)),
)
model.fit(train.stimuli, train.responses())

# %%
# One score for each target, divided by what the noise allows.
scores = ek.correlation(test.responses(), model.predict(test.stimuli))
normalised = ek.normalise(scores, ek.noise_ceiling(test.repeats()))
table = ek.by_region(normalised, by=["participant", "region"])
table.head()

# %%
# A region's score is mean r over mean ceiling, not a mean of ratios.
plot_by_region(table)
