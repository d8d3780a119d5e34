"""The tables of a question: every cohort, the differences, and what a gate would have kept."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from estimates import F1_MARGIN, Paired, paired, passing, slopes
from questions import MINUTES, SCALED, Difference, Question, scaled

import encodekit as ek

Rows = Iterator[str]
_COLUMNS = ("mean", "95 % interval", "SD", "p (t)", "p (signs)", "p (same)", "above 0", "verdict")


def show(question: Question, lines: pd.DataFrame) -> str:
    """Return a question's tables; arms that no line holds are named."""
    if lines.empty:
        return "nothing is measured yet"
    if question.measure == "probes":
        return "\n".join(_probes(question, lines))
    if question.measure == "curve":
        return "\n".join(_curves(question, lines))
    return "\n".join(_scores(question, lines))


def _scores(question: Question, lines: pd.DataFrame) -> Rows:
    wide = scores(lines, "language")
    named = [arm for arm in question.arms if arm in wide]
    lacking = [arm for arm in question.arms if arm not in wide]
    if lacking:
        yield from (f"lacking: {', '.join(lacking)}", "")
    yield from (*_every_cohort(wide[named]), "")
    rules = {
        "score": "the layer that cross-validation chose",
        "last": "the last layer in every arm",
    }
    for what, rule in rules.items():
        for area in ("language", "auditory"):
            yield from (f"{area} areas, r over the ceiling, {rule}", "")
            yield from (*_differences(question, scores(lines, area, what)), "")
    if question.scaled:
        yield from (*_slopes(wide), "")
    if "passed" in lines and question.measure == "score":
        yield from _gate(question, lines)


def scores(lines: pd.DataFrame, area: str, what: str = "score") -> pd.DataFrame:
    """Return the scores (cohort, arm) of an area."""
    values = lines.assign(score=[found[what] for found in lines[area]])
    return values.pivot(index="cohort", columns="arm", values="score").sort_index()


def complete(lines: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Return the lines of the cohorts that have all arms."""
    arms_of = lines.groupby("cohort")["arm"].agg(set)
    whole = [cohort for cohort, found in arms_of.items() if set(arms) <= found]
    return lines[lines["cohort"].isin(whole)]


def _every_cohort(wide: pd.DataFrame) -> Rows:
    yield "| cohort | " + " | ".join(wide.columns) + " |"
    yield "|---" * (wide.shape[1] + 1) + "|"
    for cohort, row in wide.iterrows():
        cells = ["" if np.isnan(value) else f"{value:.3f}" for value in row]
        yield f"| {cohort} | " + " | ".join(cells) + " |"


def difference(wide: pd.DataFrame, asked: Difference) -> pd.Series:
    """Return a difference, per cohort that has all its arms."""
    if not {*asked.plus, *asked.minus} <= set(wide.columns):
        return pd.Series(dtype=float)
    found: pd.Series = (
        wide[list(asked.plus)].mean(axis=1, skipna=False)
        - wide[list(asked.minus)].mean(axis=1, skipna=False)
    ).dropna()
    return found


def _header(first: str) -> Rows:
    yield f"| {first} | " + " | ".join(_COLUMNS) + " |"
    yield "|---" * (len(_COLUMNS) + 1) + "|"


def _row(name: str, values: pd.Series, kind: str | None = "difference", instead: str = "") -> Rows:
    """Yield a row; nothing for fewer than two cohorts.

    Without a verdict for kind None; with ``instead`` in its place, where that is given.
    """
    if len(values) < 2:
        return
    found = paired(values)
    verdict = instead or ("" if kind is None else _said(found, kind))
    cells = [
        f"{found.mean:+.4f}", f"{found.low:+.4f} to {found.high:+.4f}", f"{found.sd:.4f}",
        f"{found.p_t:.2g}", f"{found.p_flip:.2g}", f"{found.p_same:.2g}",
        f"{found.above} of {found.n}", verdict,
    ]  # fmt: skip
    yield f"| {name} | " + " | ".join(cells) + " |"


def _differences(question: Question, wide: pd.DataFrame, instead: str = "") -> Rows:
    yield from _header("difference")
    for place, asked in enumerate(question.differences):
        primary = question.primary is None or place < question.primary
        yield from _row(
            asked.name, difference(wide, asked), asked.kind if primary else None, instead
        )


def _said(found: Paired, kind: str) -> str:
    if kind == "difference":
        return found.verdict
    return found.as_control if kind == "control" else found.as_probe


def _slopes(wide: pd.DataFrame) -> Rows:
    """Slopes of the scores per doubling of the stories that tuned, and their difference.

    Pretrained is the same at all sizes, so these are the slopes of the gains too.
    """
    shapes: dict[str, Sequence[str]] = {
        f"{n} {'people' if n > 1 else 'person'}": [scaled(n, stories) for stories in MINUTES]
        for n in SCALED
    }
    for kind in ("audio", "language model"):
        shapes[kind] = [f"{kind}, {minutes} min" for minutes in MINUTES.values()]
    x, found = np.log2(list(MINUTES)), {}
    for name, arms in shapes.items():
        whole = wide[list(arms)].dropna() if set(arms) <= set(wide.columns) else wide.iloc[:0]
        found[name] = pd.Series(slopes(whole.reindex(columns=arms).to_numpy(), x), whole.index)
    yield from ("slope per doubling of the minutes that tuned", "", *_header("slope"))
    for name, values in found.items():
        yield from _row(name, values)
    apart = (found["4 people"] - found["1 person"]).dropna()
    yield from _row("4 people - 1 person (interaction)", apart)


def _gate(question: Question, lines: pd.DataFrame) -> Rows:
    """What a gate on validation runs passes, and what would then be gained over pretrained."""
    wide = scores(lines, "language")
    yield "kept by validation (r up by more than two standard errors at the last step), else "
    yield "pretrained"
    yield ""
    yield "| arm | passed | 95 % interval | gain if kept, over pretrained | 95 % interval |"
    yield "|---|---|---|---|---|"
    for arm in question.arms:
        some = lines[lines["arm"] == arm].dropna(subset="passed").set_index("cohort")
        if len(some) < 2 or "pretrained" not in wide:
            continue
        passed = some["passed"].astype(bool)
        low, high = passing(int(passed.sum()), len(passed))
        gain = ((wide[arm] - wide["pretrained"]).reindex(passed.index) * passed).dropna()
        said = paired(gain)
        yield (
            f"| {arm} | {int(passed.sum())} of {len(passed)} | {low:.2f} to {high:.2f} | "
            f"{said.mean:+.4f} | {said.low:+.4f} to {said.high:+.4f} |"
        )


def _curves(question: Question, lines: pd.DataFrame) -> Rows:
    """Every cohort's curve, and the data that reaches the pretrained reference."""
    lines = complete(lines, question.arms)
    yield from (f"{lines['cohort'].nunique()} cohorts that have every arm", "")
    for group in question.curves if len(lines) else ():
        rows = [
            {"cohort": line["cohort"], "model": _model(line["arm"]), "arm": line["arm"],
             "minutes": minutes, "score": score}
            for _, line in lines.iterrows()
            for minutes, score in zip(line[group]["minutes"], line[group]["score"], strict=True)
        ]  # fmt: skip
        table = pd.DataFrame(rows)
        wide = table.groupby(["cohort", "model", "minutes"])["score"].mean().unstack()
        yield f"{group}: r over the ceiling by minutes of the ridge; single is the mean of all four"
        yield ""
        yield "| cohort | model | " + " | ".join(f"{m:g} min" for m in wide.columns) + " |"
        yield "|---" * (wide.shape[1] + 2) + "|"
        for (cohort, model), row in wide.iterrows():
            yield f"| {cohort} | {model} | " + " | ".join(f"{v:.3f}" for v in row) + " |"
        yield ""
        many = table["cohort"].nunique() >= 8
        found = ek.data_to_reach(table, "pretrained", intervals=many)
        columns = ["model", "share", "share_low", "share_high", "gain", "gain_low", "gain_high",
                   "not_reached", "at_smallest", "n_cohorts"]  # fmt: skip
        yield "| " + " | ".join(columns) + " |"
        yield "|---" * len(columns) + "|"
        for row in found[columns].round(3).itertuples(index=False):
            yield "| " + " | ".join(map(str, row)) + " |"
        yield ""


def _probes(question: Question, lines: pd.DataFrame) -> Rows:
    """F1 of the layer that is best before tuning and of the last, every cohort, with differences.

    On recordings, intervals are over brains and seeds: the recordings, their speakers and the folds
    are the same in all cohorts. The best layer is the best of the pretrained features on these very
    data, which favours them. Without a verdict where pretrained features read less than .02 above
    chance.
    """
    lines = complete(lines, question.arms)
    yield from (f"{lines['cohort'].nunique()} cohorts that have every arm", "")
    for task in lines["probes"].iloc[0] if len(lines) else ():
        f1 = lines.assign(f1=[np.array(found[task]["f1"]) for found in lines["probes"]])
        stacked = f1.pivot(index="cohort", columns="arm", values="f1").sort_index()
        before = np.mean(np.stack(stacked["pretrained"].to_list()), axis=0)
        chance = np.mean([found[task]["chance"] for found in lines["probes"]])
        for layer in dict.fromkeys((int(before.argmax()), len(before) - 1)):
            wide = stacked.map(lambda values, layer=layer: float(values[layer]))
            yield from (f"{task}, F1 of layer {layer} (chance {chance:.3f})", "")
            yield from (*_every_cohort(wide[question.arms]), "")
            # What is read at chance has nothing to lose.
            read = before[layer] >= chance + F1_MARGIN
            yield from (*_differences(question, wide, "" if read else "at chance before"), "")


def _model(arm: str) -> str:
    return "single" if arm.startswith("single") else arm
