"""Simulated people for any stimuli: regions follow features that the caller chooses."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import progress
from encodekit.data import Stimulus
from encodekit.features._extractor import check_stimuli
from encodekit.simulation._brain import MAX_SHIFT, SHARED, Latents, Snr, lay_out
from encodekit.simulation._cortex import cortex_of
from encodekit.simulation._follows import Follows, followed_by
from encodekit.simulation._grids import on_grid
from encodekit.simulation._ground_truth import latents_of, truth_of
from encodekit.simulation._noise import NOISE, Noise
from encodekit.simulation._participants import Participant, Scanned, scan
from encodekit.simulation._places import NOTHING, Places, places_of
from encodekit.simulation._request import Request
from encodekit.simulation._world import World, shared_maps

if TYPE_CHECKING:
    from encodekit.data import Study
    from encodekit.regions import Atlas, RegionSelector

Followed = Mapping[str, tuple[Follows, ...]]
Tick = Callable[[float], None]
_Heard = tuple[str, str]  # name and content hash: what makes two runs runs of one stimulus


def simulate_responses(
    stimuli: Sequence[Stimulus],
    follow: Mapping[str, Any],
    n_participants: int = 8,
    *,
    snr: Snr | Mapping[str, Snr] = "clear",
    t_r: float | None = None,
    n_targets: int | Mapping[str, int] = 100,
    atlas: "str | Atlas | RegionSelector | None" = None,
    shared: float = SHARED,
    late: float = MAX_SHIFT,
    repeats: int | Mapping[str, int] = 1,
    missing: float = 0.0,
    null: str | None = None,
    noise: Noise = NOISE,
    seed: int = 0,
) -> "Study":
    """Simulate the fMRI of people who hear given stimuli, in regions that follow given features.

    ``response = sqrt(share) signal + sqrt(1 - share) noise``, z-scored in each run. The signal of a
    target weighs what its region follows by a random map, of which ``shared`` is the same in all
    people, through a double-gamma haemodynamic response that is up to ``late`` s late or early in
    each person. Its variance is 1, within runs and over all of them.

    Parameters
    ----------
    stimuli : list of Stimulus
        Of any length, one per run. Runs of one stimulus (``Stimulus(name, run=...)``) have the
        same signal and noise of their own. See `encodekit.join_stimuli` for short clips.
    follow : mapping of region to what it follows
        `Follows`; what its ``features`` may be, followed as they are; a list of these; or None,
        for a region of noise.
    n_participants : int
    snr : "clear", "realistic", (low, high), or a mapping of region to one of them
        The signal's share of the variance of one run, as in `simulate_study`. The best model's r
        with one run is about the root of the share: for an r of .2, ``snr=(0.04, 0.04)``.
    t_r : float, optional
        Repetition time, s, of grids made anew, over the time in which each stimulus has TRs; its
        whole sound where it has none. If not given, stimuli keep their TRs.
    n_targets : int or mapping of region to int
        Per region and person; in an atlas, spread evenly over the region, or all it has.
    atlas : str, Atlas or RegionSelector, optional
        Regions are areas or groups of it, targets vertices of fsaverage5, and maps vary smoothly.
        Without one, targets are ``P1/language/0001``, in no place.
    shared : float
        Of the variance of a map, what all people share, in [0, 1].
    late : float
        s, 0 to 3.
    repeats : int or mapping of run to int
        How often everybody heard each run, with independent noise.
    missing : float
        Fraction (0 to 0.5) of the runs heard once that each participant lacks.
    null : None, "nothing" or "unrelated"
        Nothing to find: no signal, or one of random features that people share and that have
        nothing to do with the stimuli.
    noise : Noise
        What the noise is made of (`encodekit.simulation.Noise`).
    seed : int
        Decides everything that is random.

    Returns
    -------
    Study
        Whose ``truth`` has, per target: ``share``, ``ceiling`` (its root: r of the signal with one
        run), ``follows`` (a region, unrelated or nothing), ``smoothing`` (s, over which it gathers
        what it follows first) and ``late`` (s); the noiseless ``response`` (time, target) in
        standard deviations of one run; and what it is made of, ``latent`` (time, column), after a
        response that is not late, around the mean of the run, and ``weight`` (column, target).
        ``part``, ``gathered`` and ``feature`` name the columns. Where nobody is late, ``response``
        is ``latent`` times ``weight``.

    Raises
    ------
    ValueError, TypeError
        With every mistake in the parameters; where features lack a stimulus, do not last as long,
        hold NaN, or do not vary.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> def story(name):
    ...     onset = np.sort(rng.uniform(0, 60, 100))
    ...     words = {"word": rng.choice(["sun", "moon"], 100), "onset": onset, "duration": 0.2}
    ...     return Stimulus(name, words=pd.DataFrame(words), t_r=2.0, duration=60.0)
    >>> stories = [story("story-1"), story("story-2")]
    >>> meaning = Follows({"sun": [1.0, 0.0], "moon": [0.0, 1.0]}, seconds=(2, 4))
    >>> study = simulate_responses(stories, {"language": meaning, "rest": None}, 2, n_targets=5)
    >>> study.participants, study.runs, study.truth["weight"].shape
    (['P1', 'P2'], ['story-1', 'story-2'], (4, 20))
    """
    followed = followed_by(follow)
    request = Request(
        stimuli=[on_grid(item, t_r) for item in check_stimuli(stimuli, "simulate_responses")],
        regions={region: bool(parts) for region, parts in followed.items()},
        n_targets=n_targets,
        repeats=repeats,
        null=null,
        n_participants=n_participants,
        snr=snr,
        missing=missing,
        shared=shared,
        late=late,
        noise=noise,
        seed=seed,
    )
    counts = request.counts
    places = places_of(counts) if atlas is None else cortex_of(atlas, counts)
    with progress("simulating responses", len(request.stimuli) + n_participants) as tick:
        world = _world(request, followed, places, tick)
        people, responses = scan(world, tick)
    return _study(request, world, people, responses)


def _world(request: Request, followed: Followed, places: Places, tick: Tick) -> World:
    """Draw what the participants share."""
    steps = _all_steps(request.stimuli, followed, tick)
    latents = _latents(followed, next(iter(steps.values())))
    fields, smoothing = shared_maps(request.design, places, latents)
    following = np.isin(places.follows, [region for region, parts in followed.items() if parts])
    return World(
        request.design,
        places,
        latents,
        kinds=np.where(following, places.follows, NOTHING),
        null=request.null,
        fields=fields,
        smoothing=smoothing,
        stimuli=request.stimuli,
        heard=_heard(request, latents, steps),
    )


def _each_once(followed: Followed) -> list[Follows]:
    """Return all that is followed; what several regions follow is one and the same."""
    return list({id(part): part for parts in followed.values() for part in parts}.values())


def _key(stimulus: Stimulus) -> _Heard:
    return stimulus.name, stimulus.content_hash


def _all_steps(
    stimuli: Sequence[Stimulus], followed: Followed, tick: Tick
) -> dict[_Heard, list[NDArray[np.float64]]]:
    """Return, of each stimulus, the steps of all that is followed."""
    parts = _each_once(followed)
    steps: dict[_Heard, list[NDArray[np.float64]]] = {}
    for stimulus in stimuli:
        if _key(stimulus) not in steps:
            steps[_key(stimulus)] = [part.steps(stimulus) for part in parts]
        tick(1)
    for number, name in enumerate(_names(followed)):
        of_part = {key: found[number] for key, found in steps.items()}
        widths = {key[0]: item.shape[1] for key, item in of_part.items()}
        if len(set(widths.values())) > 1:
            raise ValueError(f"what {name!r} follows has other features per stimulus: {widths}")
        if not any(np.ptp(item, axis=0).any() for item in of_part.values()):
            raise ValueError(
                f"what {name!r} follows is the same all the time in every stimulus: look for "
                "words that are written otherwise than the vectors', or features that are constant"
            )
    return steps


def _names(followed: Followed) -> list[str]:
    """Return what each part is called: its first region, numbered where that follows several."""
    names: dict[int, str] = {}
    for region, parts in followed.items():
        for number, part in enumerate(parts):
            names.setdefault(id(part), region if len(parts) == 1 else f"{region}/{number}")
    return list(names.values())


def _latents(followed: Followed, steps: Sequence[NDArray[np.float64]]) -> Latents:
    parts = _each_once(followed)
    row = {id(part): number for number, part in enumerate(parts)}
    described = [
        (name, of_part.shape[1], part.gathered_over, part.standardise)
        for name, part, of_part in zip(_names(followed), parts, steps, strict=True)
    ]
    weighed = {
        region: tuple((row[id(part)], part.weight) for part in listed)
        for region, listed in followed.items()
        if listed
    }
    return lay_out(described, weighed)


def _heard(
    request: Request, latents: Latents, steps: Mapping[_Heard, list[NDArray[np.float64]]]
) -> list[NDArray[np.float64]]:
    """Return the latents (step, latent) of each run."""
    made = {}
    for number, (key, of_parts) in enumerate(steps.items()):
        if request.null == "unrelated":
            rng = request.design.rng("latents", number)
            made[key] = latents.unrelated(rng, len(of_parts[0]))
        else:
            made[key] = latents.side_by_side(of_parts)
    return [made[_key(stimulus)] for stimulus in request.stimuli]


def _study(
    request: Request, world: World, people: list[Participant], responses: Scanned
) -> "Study":
    from encodekit.data import Study

    def truth() -> xr.Dataset:
        known = truth_of(world, people, responses).merge(latents_of(world, people))
        known["ceiling"] = np.sqrt(known["share"])
        return known.assign_attrs(request.attrs, regions=world.places.source)

    null = f" Null cohort: {request.null}." if request.null else ""
    return Study(
        "simulated",
        world.stimuli,
        responses,
        truth=truth,
        description=(
            f"Simulated: {request.n_participants} participants, {len(world.stimuli)} runs, share "
            f"of signal {request.attrs['snr']}, regions by {world.places.source}, seed "
            f"{request.seed}.{null}"
        ),
    )
