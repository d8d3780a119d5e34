"""Where simulated targets are: in a region, of which nothing else is known."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOTHING, UNRELATED = "nothing", "unrelated"


@dataclass(frozen=True, eq=False)
class Places:
    """Targets of regions that have no place on a mesh, the same for all participants.

    Attributes
    ----------
    region, follows : ndarray of str, (target,)
        What a region is called, and what kind of targets these are.
    source : str
        Who named the regions.
    """

    region: NDArray[np.str_]
    follows: NDArray[np.str_]
    source: str

    def __len__(self) -> int:
        return len(self.follows)

    @property
    def space(self) -> str:
        """The mesh of the targets."""
        return "native"

    def coords(self) -> dict[str, Any]:
        """Return the coordinates on target that say where they are."""
        return {"region": self.region}

    def target_names(self, participant: str) -> list[str] | None:
        """Return the names of targets; None where `coords` name them."""
        names, counts = [], dict.fromkeys(self.region.tolist(), 0)
        for region in self.region.tolist():
            counts[region] += 1
            names.append(f"{participant}/{region}/{counts[region]:04d}")
        return names

    def smooth_fields(self, rng: np.random.Generator, n_fields: int) -> NDArray[np.float64]:
        """Return random maps (field, target) of mean 0 and variance 1, without neighbours."""
        return rng.standard_normal((n_fields, len(self)))


def places_of(counts: dict[str, int]) -> Places:
    """Return so many targets of each region."""
    region = np.repeat(list(counts), list(counts.values()))
    return Places(region, region, "the simulation")
