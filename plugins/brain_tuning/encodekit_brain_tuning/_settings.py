"""The demo's cohort and settings, frozen on development seeds."""

from typing import Any

from encodekit_brain_tuning._experiment import Settings

COHORT: dict[str, Any] = {"n_participants": 8, "n_stories": 16, "minutes": 2.5, "snr": "clear"}
SETTINGS = Settings(
    tuning={"trainable": "all", "learning_rate": 1e-3, "epochs": 4, "batch_size": 4}
)
