"""Make something by the name under which a plugin registered it."""

from functools import partial
from inspect import Parameter, signature
from typing import Any

from encodekit.core import unknown_name
from encodekit.plugins._registry import registry


def known_names(kind: str) -> list[str]:
    """Return the names of a kind: features, regressors, losses, regions, studies, ..."""
    return [entry.spec.name for entry in registry().entries(kind)]


def load_spec(kind: str, name: str, *, prefer: str | None = None) -> Any:
    """Return the class or function registered under a name, imported now.

    Parameters
    ----------
    kind : str
        ``"features"``, ``"regressors"``, ``"losses"``, ``"heads"``, ``"strategies"``,
        ``"updates"``, ``"regions"``, ``"metrics"``, ``"studies"``, ``"commands"``,
        ``"backbones"`` or ``"panels"``.
    name : str
        The registered name; case, hyphens and underscores do not matter.
    prefer : str, optional
        The plugin, or distribution, to take it from where several claim the name.

    Raises
    ------
    ValueError
        If no plugin, or more than one, registers the name: with close matches, or the pip line
        of the plugin that brings it.
    ImportError
        If a package that it needs is not installed; with the pip line of the extra.
    """
    return registry().load(kind, name, prefer)


def make_features(name: str, *, prefer: str | None = None, **parameters: Any) -> Any:
    """Return the feature extractor registered under a name.

    Examples
    --------
    >>> import encodekit as ek
    >>> ek.make_features("word-rate")
    WordRate()
    """
    make = load_spec("features", name, prefer=prefer)
    _check_parameters("make_features", name, make, parameters)
    return make(**parameters)


def make_regressor(name: str, *, prefer: str | None = None, **parameters: Any) -> Any:
    """Return the regressor registered under a name.

    Examples
    --------
    >>> import encodekit as ek
    >>> ek.make_regressor("ridge", alphas=[1.0, 10.0])
    RidgeCV(alphas=[1.0, 10.0])
    """
    make = load_spec("regressors", name, prefer=prefer)
    _check_parameters("make_regressor", name, make, parameters)
    return make(**parameters)


def make_regions(name: str, *arguments: Any, prefer: str | None = None, **parameters: Any) -> Any:
    """Return the region selector or atlas registered under a name."""
    return load_spec("regions", name, prefer=prefer)(*arguments, **parameters)


def make_loss(name: str, *, prefer: str | None = None, **parameters: Any) -> Any:
    """Return the loss registered under a name: a callable of (predicted, true, mask).

    A class is instantiated with the parameters; of a function, the parameters are bound.
    """
    loss = load_spec("losses", name, prefer=prefer)
    if isinstance(loss, type):
        return loss(**parameters)
    return partial(loss, **parameters) if parameters else loss


def _check_parameters(maker: str, name: str, make: Any, given: dict[str, Any]) -> None:
    known = signature(make).parameters
    if any(item.kind is Parameter.VAR_KEYWORD for item in known.values()):
        return
    wrong = [parameter for parameter in given if parameter not in known]
    if wrong:
        said = "; ".join(unknown_name(f"parameter of {name!r}", item, known) for item in wrong)
        raise TypeError(f"{maker}: {said}")
