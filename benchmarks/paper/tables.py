"""The tables of a question: every cohort, the differences, and what a gate would have kept."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from estimates import MARGIN, Paired, paired, passing, slopes
from questions import MINUTES, SCALED, Difference, Question, scaled

import encodekit as ek

Rows = Iterator[str]
_COLUMNS = ("mean", "95 % interval", "SD", "p (t)", "p (signs)", "p (same)", "above 0", "verdict")


def show(question: Question, lines: pd.DataFrame) -> str:
    """Return a question's tables; arms that no line holds are left out, and named."""
    if lines.empty:
        return "nothing is measured yet"
    if question.measure == "probes":
        return "\n".join(_probes(question, lines))
    if question.measure == "curve":
        return "\n".join(_curves(question, lines))
    parts: list[str] = []
    for area in ("language", "auditory"):
        wide = scores(lines, area)
        wide = wide[[arm for arm in question.arms if arm in wide]]
        if area == "language":
            lacking = [arm for arm in question.arms if arm not in wide]
            parts += [f"lacking: {', '.join(lacking)}", ""] if lacking else []
            parts += [*_every_cohort(wide), ""]
        parts += [f"{area} areas, r over the ceiling", "", *_differences(question, wide), ""]
        if area == "language" and any("min" in arm for arm in wide):
            parts += [*_slopes(wide), ""]
    if "passed" in lines and question.measure == "score":
        parts += list(_gate(question, lines))
    return "\n".join(parts)


def scores(lines: pd.DataFrame, area: str) -> pd.DataFrame:
    """Return the scores (cohort, arm) of an area."""
    values = lines.assign(score=[found["score"] for found in lines[area]])
    return values.pivot(index="cohort", columns="arm", values="score").sort_index()


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


def _row(name: str, found: Paired, verdict: str) -> str:
    cells = [
        f"{found.mean:+.4f}", f"{found.low:+.4f} to {found.high:+.4f}", f"{found.sd:.4f}",
        f"{found.p_t:.2g}", f"{found.p_flip:.2g}", f"{found.p_same:.2g}",
        f"{found.above} of {found.n}", verdict,
    ]  # fmt: skip
    return f"| {name} | " + " | ".join(cells) + " |"


def _differences(question: Question, wide: pd.DataFrame) -> Rows:
    yield from _header("difference")
    for asked in question.differences:
        values = difference(wide, asked)
        if len(values) < 2:
            continue
        found = paired(values)
        yield _row(asked.name, found, _said(found, asked.kind))


def _said(found: Paired, kind: str) -> str:
    if kind == "difference":
        return found.verdict
    return found.as_control if kind == "control" else found.as_probe


def _slopes(wide: pd.DataFrame) -> Rows:
    """Slopes of the gain over pretrained in log2 of the minutes that tuned, and differences."""
    shapes: dict[str, Sequence[str]] = {
        f"{n} {'people' if n > 1 else 'person'}": [scaled(n, stories) for stories in MINUTES]
        for n in SCALED
    }
    for kind in ("audio", "language model"):
        shapes[kind] = [f"{kind}, {minutes} min" for minutes in MINUTES.values()]
    x = np.log2(list(MINUTES.values()))
    found = {}
    for name, arms in shapes.items():
        if set(arms) <= set(wide.columns):
            complete = wide[list(arms)].dropna()
            found[name] = pd.Series(slopes(complete.to_numpy(), list(x)), complete.index)
    yield "slope per doubling of the minutes that tuned"
    yield ""
    yield from _header("slope")
    for name, values in found.items():
        yield _row(name, paired(values), paired(values).verdict)
    if {"4 people", "1 person"} <= set(found):
        values = (found["4 people"] - found["1 person"]).dropna()
        yield _row("4 people - 1 person (interaction)", paired(values), paired(values).verdict)


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
        if some.empty or "pretrained" not in wide:
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
    for group in question.curves:
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
    """F1 of the best layer before tuning and of the last, every cohort, with differences."""
    for task in lines["probes"].iloc[0]:
        f1 = lines.assign(f1=[np.array(found[task]["f1"]) for found in lines["probes"]])
        stacked = f1.pivot(index="cohort", columns="arm", values="f1").sort_index()
        before = np.mean(np.stack(stacked["pretrained"].to_list()), axis=0)
        chance = np.mean([found[task]["chance"] for found in lines["probes"]])
        for layer in dict.fromkeys((int(before.argmax()), len(before) - 1)):
            wide = stacked.map(lambda values, layer=layer: float(values[layer]))
            yield f"{task}, F1 of layer {layer} (chance {chance:.3f})"
            yield ""
            yield from _every_cohort(wide[question.arms])
            yield ""
            yield from _differences(question, wide)
            yield ""


def _model(arm: str) -> str:
    return "single" if arm.startswith("single") else arm


__all__ = ["MARGIN", "difference", "scores", "show"]
