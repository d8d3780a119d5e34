"""The paper's questions: which arms, which differences, how many cohorts.

The cohorts are fixed here, before they are simulated. Settings were chosen on `DEVELOPMENT`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from arms import HELD_OUT, LANGUAGE_MODEL, TUNED_ON, Arm

DEVELOPMENT = range(541, 561)
FEW, SOME, MANY = 8, 15, 30  # tuning stories of 40 s; the first are what an arm takes unless told
MINUTES = {FEW: 5, SOME: 10, MANY: 20}  # as arms are called; 8 stories are 5.3 min
PILOT_SD = {"people": 0.015, "scaling": 0.015, "transfer": 0.015}  # development cohorts 541-545
HEADS = ("individual", "low_rank", "bottleneck", "mlp", "unseen")  # beside the shared one
SINGLES = tuple(f"single {person}" for person in TUNED_ON)
RECORDED_SINGLES = tuple(f"single {person}, 9 stories" for person in TUNED_ON[:2])
SCALED = {1: TUNED_ON[:1], 2: TUNED_ON[:2], 4: TUNED_ON}  # number of people: who


def scaled(n_people: int, n_stories: int) -> str:
    """Return the name of the arm of so many people and stories."""
    if n_stories == FEW and n_people in (1, len(TUNED_ON)):
        return "joint" if n_people > 1 else SINGLES[0]
    return f"{n_people} x {MINUTES[n_stories]} min"


ARMS: dict[str, Arm] = {
    "pretrained": Arm(steps=0),
    "untrained": Arm(steps=0, untrained=True),
    "joint": Arm(),
    "joint, all stories": Arm(stories=135),
    "single P1, all stories": Arm(people=TUNED_ON[:1], stories=135),
    "shuffled, all stories": Arm(control="blocks", stories=135),
    **{f"single {person}": Arm(people=(person,)) for person in TUNED_ON},
    **{
        name: Arm(people=(who,), stories=9)
        for name, who in zip(RECORDED_SINGLES, TUNED_ON, strict=False)
    },
    "joint, 9 stories": Arm(stories=9),
    "shuffled, 9 stories": Arm(control="blocks", stories=9),
    "shuffled": Arm(control="blocks"),
    "phases": Arm(control="phases"),
    "untrained, joint": Arm(untrained=True),
    **{
        scaled(n, stories): Arm(people=who, stories=stories)
        for n, who in SCALED.items()
        for stories in MINUTES
    },
    **{
        f"{learns}, {minutes} min": Arm(learns=learns, stories=n)
        for learns in ("audio", LANGUAGE_MODEL)
        for n, minutes in MINUTES.items()
    },
    **{
        f"{loss}{', 20 min' if n == MANY else ''}": Arm(stories=n, tuning={"loss": loss})
        for loss in ("correlation", "cosine_l2")
        for n in (FEW, MANY)
    },
    "exact": Arm(tuning={"windows": "exact", "training__batch_size": 20}),  # the TRs of a story
    "exact, haemodynamic": Arm(
        tuning={"windows": "exact", "windows__pooling": "haemodynamic", "training__batch_size": 20}
    ),
    "joined": Arm(tuning={"windows__chunk": 10.0, "windows__overlap": 1.0, "windows__join": 46.0}),
    "sequential, equal steps": Arm(tuning={"participants": "sequential"}),
    "sequential, equal pairs": Arm(steps=len(TUNED_ON), tuning={"participants": "sequential"}),
    "srm": Arm(tuning={"participants": "shared_response"}),
    **{f"{head} head": Arm(tuning={"head": head}) for head in HEADS},
}
Terms = tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """The mean of some arms minus the mean of others, in each cohort.

    ``kind`` says what is asked: ``"difference"`` (an interval, and whether it is the same within
    the margin), ``"control"`` (whether a gain is below the margin) or ``"not inferior"`` (whether
    F1 falls by less than .02).
    """

    name: str
    plus: Terms
    minus: Terms
    kind: str = "difference"


def over(name: str, reference: str = "pretrained", kind: str = "difference") -> Difference:
    """Return an arm minus a reference."""
    return Difference(f"{name} - {reference}", (name,), (reference,), kind)


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes
    ----------
    cohorts : range
    differences : tuple of Difference
    measure : {"score", "second data set", "curve", "probes"}
    world : str
    also : tuple of str
        Arms beside those of the differences.
    curves : dict of str to tuple of str
        Of a curve: the people, by the name of the group.
    primary : int, optional
        How many of the differences, the first ones, get a verdict; all if not given.
    scaled : bool
        Whether slopes over the minutes that tuned are shown.
    """

    cohorts: range
    differences: tuple[Difference, ...] = ()
    measure: str = "score"
    world: str = "tiny"
    also: Terms = ()
    curves: Mapping[str, Terms] = field(default_factory=dict)
    primary: int | None = None
    scaled: bool = False

    @property
    def arms(self) -> list[str]:
        """The arms that it needs, each once."""
        named = [arm for d in self.differences for arm in (*d.minus, *d.plus)]
        return list(dict.fromkeys([*named, *self.also]))


_MULTI = Difference("joint - mean of the singles", ("joint",), SINGLES)
_MEAN_SINGLE = Difference("mean of the singles - pretrained", SINGLES, ("pretrained",))
_SHAPE = tuple(scaled(n, stories) for n in SCALED for stories in MINUTES)
_BASELINES = tuple(
    f"{kind}, {MINUTES[n]} min" for kind in ("audio", LANGUAGE_MODEL) for n in MINUTES
)
QUESTIONS: dict[str, Question] = {
    "people": Question(
        range(6101, 6125),
        (
            over("joint"), _MEAN_SINGLE, _MULTI, over("joint", "shuffled"),
            over("shuffled", kind="control"), over("phases", kind="control"),
            over("joint", "phases"), *(over("joint", single) for single in SINGLES),
            over("untrained"), over("untrained, joint"),
        ),
        primary=6,
    ),
    "scaling": Question(
        range(6101, 6117),
        tuple(over(name) for name in (*_SHAPE, *_BASELINES)),
        scaled=True,
    ),
    "transfer": Question(
        range(6101, 6113), (over("joint"), _MEAN_SINGLE, _MULTI), measure="second data set",
    ),
    "data": Question(
        range(6101, 6111), measure="curve", also=("pretrained", "joint", *SINGLES, "shuffled"),
        curves={"held-out people": HELD_OUT, "tuned people": TUNED_ON},
    ),
    "realistic": Question(
        range(6201, 6209),
        (
            over("joint, all stories"), over("single P1, all stories"),
            over("joint, all stories", "single P1, all stories"),
            over("shuffled, all stories", kind="control"),
        ),
        world="tiny, realistic",
    ),
    "whisper": Question(
        range(6301, 6309),
        (
            over("joint, 9 stories"),
            *(over(name) for name in RECORDED_SINGLES),
            Difference("joint - mean of the singles", ("joint, 9 stories",), RECORDED_SINGLES),
            over("shuffled, 9 stories", kind="control"),
            over("joint, 9 stories", "shuffled, 9 stories"),
        ),
        world="whisper",
    ),
    "probes": Question(
        range(6101, 6111),
        (
            over("joint", kind="not inferior"), over(SINGLES[0], kind="not inferior"),
            over("shuffled", kind="not inferior"),
        ),
        measure="probes",
    ),
    "probes of whisper": Question(
        range(6301, 6309),
        (
            over("joint, 9 stories", kind="not inferior"),
            over(RECORDED_SINGLES[0], kind="not inferior"),
        ),
        measure="probes", world="whisper",
    ),
    "loss": Question(
        range(6101, 6111),
        (
            over("correlation", "joint"), over("cosine_l2", "joint"),
            *(over(f"{loss}, 20 min", scaled(4, MANY)) for loss in ("correlation", "cosine_l2")),
        ),
    ),
    "windows": Question(
        range(6101, 6111),
        tuple(over(n, "joint") for n in ("exact", "exact, haemodynamic", "joined")),
    ),
    "strategies": Question(
        range(6101, 6111),
        tuple(over(n, "joint") for n in (
            "sequential, equal steps", "sequential, equal pairs", "srm")),
    ),
    "heads": Question(
        range(6101, 6111), tuple(over(f"{head} head", "joint") for head in HEADS)
    ),
}  # fmt: skip
