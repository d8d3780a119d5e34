"""
A plugin of your own
====================

A class in one file, a record in another, one entry point. Here both are in one script, and the
harness of the test kit stands in for the installation.
"""

import types

import numpy as np
import xarray as xr

import encodekit as ek
from encodekit.testing import PluginHarness, check_feature_extractor, small_study


# %%
# The class writes ``frames``; resampling to the TRs, history and the cache are the base's.
class Loudness(ek.FeatureExtractor):
    """Power of the sound, one value per 10 ms."""

    resample = "mean"

    def frames(self, stimulus):
        """Return the frames (time, feature)."""
        sound = stimulus.load_audio(16_000)
        power = (sound[: sound.size // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1)
        seconds = (np.arange(power.size) + 0.5) / 100
        return xr.DataArray(
            power[:, None], dims=("time", "feature"), coords={"seconds": ("time", seconds)}
        )


# %%
# The module that an entry point of the group ``encodekit`` would name.
plugin = types.ModuleType("my_lab_plugin")
plugin.encodekit_api = 1
plugin.Loudness = Loudness


@ek.hookimpl
def encodekit_features():
    """Yield a record."""
    yield ek.FeatureSpec("loudness", load="my_lab_plugin:Loudness", summary="power of the sound")


plugin.encodekit_features = encodekit_features

# %%
# Registered, it is made by its name, and checked like encodekit's own.
study = small_study(n_stories=2, seconds=16)
with PluginHarness(plugin):
    extractor = ek.make_features("loudness")
    print(*check_feature_extractor(extractor, study), sep="\n")

# %%
# Its rows lie on the grid of the TRs.
extractor.transform(study.stimuli)
