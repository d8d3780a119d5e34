"""
Real fMRI of twelve people
==========================

Twelve people heard the first chapter of Alice in Wonderland (Brennan et al. 2016, CC BY 4.0). Does
the rate of words predict their responses, in people and at times that no weight was fitted on? And
does it predict more than the word rate of another book would?
"""

import os
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import make_response

# %%
# Responses of six language regions, words with their times, motion. Slow drifts and motion are
# removed from the whole run.
folder = Path(os.environ["ENCODEKIT_ALICE"])
arrays = np.load(folder / "bold.npz")
table = pd.read_csv(folder / "words.csv").rename(columns={"onset_audio": "onset"})
words = table.assign(duration=table.offset_audio - table.onset, word=table.word.astype(str))
tr_times = float(arrays["row0_audio_s"]) + 2.0 * np.arange(arrays["bold"].shape[1])

people, regions = arrays["participants"].tolist(), arrays["rois"].tolist()
responses = {
    who: {"alice": make_response(bold, run="alice", participant=who, region=regions, t_r=2.0,
                                 tr_times=tr_times, units="scanner")}
    for who, bold in zip(people, arrays["bold"], strict=True)
}  # fmt: skip
motion = {who: {"alice": of} for who, of in zip(people, arrays["motion"], strict=True)}
stimulus = ek.Stimulus("alice", words=words, tr_times=tr_times, t_r=2.0)
study = ek.Study("alice", [stimulus], responses, confounds=motion)
study = study.clean(ek.ConfoundRemover(n_cosines=12))
print(study.describe().splitlines()[2])

# %%
# Brains respond to the beginning of speech, whatever is said, so the first 20 s are left out. Then
# the run is cut into five parts: each is predicted once, 16 s beside it are not fitted on.
parts = study.trim("20s").segment("alice", 5, gap=0)
y = [ek.RunScaler().fit_transform(run) for run in parts.responses()]

# %%
# Weights are fitted on the mean of eleven people, and scored on the twelfth. p over stimulus asks
# whether predictions of another story would do as well; everybody heard the same one, so a t test
# over people says more than there is to say.
features = make_pipeline(ek.WordRate(), ek.CanonicalHRF(), ek.RunScaler())
ridge = ek.RidgeCV(np.logspace(0, 4, 9))
model = make_pipeline(features, ridge)
predicted = ek.cross_val_predict(model, parts.stimuli, ek.group_mean(y), purge="16s")
found = ek.permutation_test(y, predicted, by="region")
found[["r", "p_over_stimulus", "p_over_people"]].to_dataframe().set_index("region").round(4)

# %%
# Word rate is best in its own time: the same model with words that come early or late.
shifts = np.arange(-4, 5)
curve = []
for shift in shifts:
    moved = [
        replace(part, words=part.words.assign(onset=part.words.onset + 2.0 * shift))
        for part in parts.stimuli
    ]
    guess = ek.cross_val_predict(model, moved, ek.group_mean(y), purge="16s")
    curve.append(ek.correlation(y, guess).groupby("region").mean())

figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
for region in regions:
    axes.plot(2 * shifts, [float(r.sel(region=region)) for r in curve], ".-", label=region)
axes.axhline(0, color="0.7", linewidth=1)
axes.set(xlabel="word times moved by (s)", ylabel="mean r over 12 people")
axes.legend(ncols=2, fontsize="small", frameon=False)

# %%
# Does surprisal add to word rate? Twenty words have none and get the mean. Its unique part is
# measured by r, which chose alpha, with an interval over stimulus.
surprisal = ek.WordValues("ngram_surprisal", missing="mean")
spaces = ek.FeatureSpaces([("rate", ek.WordRate()), ("surprisal", surprisal)])
both = make_pipeline(spaces, ek.CanonicalHRF(), ek.RunScaler()).fit_transform(parts.stimuli)
partition = ek.variance_partition(ridge, both, ek.group_mean(y), by="region", nuisance="rate")
columns = ["unique", "unique_low", "unique_high", "unique_p"]
partition.sel(space="surprisal")[columns].to_dataframe().set_index("region")[columns].round(3)
