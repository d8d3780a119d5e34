"""Which weights of a tuning to keep: what `docs/statistics.md` says of the rules.

    python benchmarks/paper/keep.py

`keep.jsonl` holds cohorts 521 to 532, on which the default was chosen: 16 steps and four looks,
stories of 40 s, a signal of 5 to 30 % of the variance, validation on the kind of fMRI that tuned.
It was measured before the suite took its weights from a fixed last step, and is not measured again.
"""

import json
from pathlib import Path

import pandas as pd
from estimates import paired

ARMS = {"joint": "four people", "single P1": "one person", "shuffled": "shuffled fMRI"}
RULES = {"two_se": "", "best": ", best", "last": ", last"}


def table() -> str:
    """Return the gain over pretrained of each rule, and of last over best."""
    text = Path(__file__).with_name("keep.jsonl").read_text()
    lines = pd.DataFrame(json.loads(line) for line in text.splitlines())
    wide = lines.pivot(index="cohort", columns="arm", values="score")
    said = [f"| tuned on | {' | '.join(RULES)} | last - best |", "|---" * 5 + "|"]
    for arm, name in ARMS.items():
        gains = [wide[f"{arm}{rule}"] - wide["pretrained"] for rule in RULES.values()]
        cells = [_cell(gain) for gain in (*gains, gains[2] - gains[1])]
        said.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(said)


def _cell(gain: pd.Series) -> str:
    found = paired(gain)
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}], {found.above} of {found.n}"


if __name__ == "__main__":
    print(table())
