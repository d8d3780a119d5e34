"""Run a list of small checks on one thing, and say in one message which failed and why."""

import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from encodekit.core import unknown_name

Case = TypeVar("Case")
Skip = Mapping[str, str]


class ContractError(AssertionError):
    """Something does not keep its contract; the message lists every check that failed."""


def run_checks(
    subject: str, checks: Sequence[Callable[[Case], None]], case: Case, skip: Skip | None = None
) -> tuple[str, ...]:
    """Run ``checks`` on ``case`` and return the names of those that passed.

    A check is a function whose name is a claim; it raises where the claim does not hold.

    Raises
    ------
    ContractError
        With every check that failed and why.
    ValueError
        If ``skip`` names an unknown check or gives no reason.
    """
    _check_skip({check.__name__ for check in checks}, skip or {})
    run = [check for check in checks if check.__name__ not in (skip or {})]
    failed: dict[str, list[str]] = {}  # one cause may fail many
    for check in run:
        cause = _cause(check, case)
        if cause is not None:
            failed.setdefault(cause, []).append(check.__name__)
    names = [name for several in failed.values() for name in several]
    if failed:
        lines = (_line(cause, several) for cause, several in failed.items())
        raise ContractError(
            f"{subject} fails {len(names)} of {len(run)} checks:\n" + "\n".join(lines)
        )
    return tuple(check.__name__ for check in run)


def _line(cause: str, checks: Sequence[str]) -> str:
    """Say what failed; the cause comes first where a list of checks would hide it."""
    if len(checks) == 1:
        return f"- {checks[0]}: {cause}"
    return f"- {cause}\n  in {len(checks)} checks: {', '.join(checks)}"


def require(condition: object, message: str) -> None:
    """Raise AssertionError with ``message`` unless the condition holds (also under python -O)."""
    if not condition:
        raise AssertionError(message)


def raises(error: type[Exception] | tuple[type[Exception], ...], call: Callable[[], object]) -> str:
    """Return the text of the error that ``call`` raises, or "" where it raises none."""
    try:
        call()
    except error as raised:
        return str(raised) or type(raised).__name__
    return ""


def _check_skip(names: set[str], skip: Skip) -> None:
    for name, reason in skip.items():
        if name not in names:
            raise ValueError(f"skip: {unknown_name('check', name, sorted(names))}")
        if not reason.strip():
            raise ValueError(f"skip: say why {name!r} does not apply")


def _cause(check: Callable[[Case], None], case: Case) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check(case)
        except AssertionError as error:
            return str(error) or f"assertion failed {_where(error)}"
        except Exception as error:  # noqa: BLE001 (what is checked may raise anything)
            return f"{type(error).__name__}: {error} {_where(error)}"
    return None


def _where(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"({Path(frame.filename).name}, line {frame.lineno})"
