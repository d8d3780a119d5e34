"""Experiment files: a study, its split, models and scores in one YAML file, checked and run.

The options of every step are those of the registered estimator's own parameters, so a plugin's
are checked and completed like encodekit's. `run` writes a folder of results with their
provenance, and computes again only what changed since the last time.
"""

from encodekit.experiments._read import Experiment, ExperimentError, read_experiment
from encodekit.experiments._run import plan_experiment, run_experiment
from encodekit.experiments._schema import experiment_schema

__all__ = [
    "Experiment",
    "ExperimentError",
    "experiment_schema",
    "plan_experiment",
    "read_experiment",
    "run_experiment",
]
