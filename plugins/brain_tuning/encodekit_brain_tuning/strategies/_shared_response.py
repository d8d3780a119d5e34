"""Shared responses of the participants, in few components."""

from collections.abc import Iterator

import numpy as np

from encodekit_brain_tuning.heads import Head
from encodekit_brain_tuning.losses import Loss
from encodekit_brain_tuning.strategies._base import Combination, Strategy
from encodekit_brain_tuning.strategies._shared_response_model import SharedResponseModel
from encodekit_brain_tuning.targets import RunTargets, SharedTargets


class SharedResponse(Strategy):
    """One step per batch on shared responses, fitted on the tuning runs alone.

    Validation runs go through the maps of the tuning runs, see `SharedResponseModel`.

    Parameters
    ----------
    n_components : int
        Of the shared responses.
    z_score : bool
        See `Strategy`.
    """

    learns = True
    shared_heads_only = True

    n_components: int = 20

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        if self.n_components < 1:
            yield f"n_components={self.n_components}: expected at least 1"

    def combination(self, tuning: SharedTargets, loss: Loss, head: Head) -> Combination:
        """Return the maps to shared responses, whose keys are ``srm/000`` and so on."""
        runs = tuning.runs.values()
        values = np.concatenate([run.values for run in runs], axis=1)
        there = np.concatenate([run.weights > 0 for run in runs], axis=1)
        model = SharedResponseModel(self.n_components).fit(values, there, tuning.participants)

        def combine(run: RunTargets) -> RunTargets:
            shared, known = model.transform(run.values, run.weights > 0)
            weights = np.broadcast_to(known[:, None], shared.shape).astype(np.float32)
            return RunTargets(shared[None], weights[None], run.heard, np.zeros(len(run.spread)))

        return Combination(combine, tuple(f"srm/{n:03d}" for n in range(self.n_components)))
