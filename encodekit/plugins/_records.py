"""The records that plugins return: what is there, where it loads from, what it needs."""

import inspect
import re
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from encodekit.core import shown, unknown_name

_LOAD = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._ -]*[A-Za-z0-9])?")


class _OfInit:
    """The signature of ``__init__``, which that of ``__new__`` would hide from help and editors."""

    def __get__(self, _: object, cls: type) -> inspect.Signature:
        whole = inspect.signature(cls.__init__)  # type: ignore[misc]
        return whole.replace(parameters=list(whole.parameters.values())[1:])


@dataclass(frozen=True)
class Spec:
    """What every record says; use the record of the kind, such as `FeatureSpec`.

    Parameters
    ----------
    name : str
        What users type. Names are unique, whatever their case, hyphens and underscores.
    load : str
        ``"module:attribute"``, imported when the name is first used and not before.
    summary : str
        One line for ``encodekit plugins`` and ``encodekit --help``.
    extra : str, optional
        The extra of the plugin's own distribution that brings the packages it needs.

    Raises
    ------
    ValueError
        If a field is empty or not of the stated form; all mistakes in one message.
    TypeError
        If there is no such field.
    """

    noun: ClassVar[str] = "record"
    __signature__ = _OfInit()

    name: str
    load: str
    summary: str
    extra: str | None = None

    def __new__(cls, *_: Any, **content: Any) -> Self:
        """Refuse a field that there is not, in the name of the record that was meant."""
        known = [field.name for field in fields(cls)]
        for name in content:
            if name not in known:
                raise TypeError(
                    f"{cls.__name__}: {unknown_name('field', name, known)} (its fields are "
                    f"{', '.join(known)})"
                )
        return super().__new__(cls)

    def __post_init__(self) -> None:
        mistakes = list(self._mistakes())
        if mistakes:
            raise ValueError(f"{type(self).__name__} {shown(self.name)}: " + "; ".join(mistakes))

    def _mistakes(self) -> list[str]:
        found = []
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            found.append("name must be letters, digits, '-', '_', '.' or spaces")
        if not isinstance(self.load, str) or not _LOAD.fullmatch(self.load):
            found.append(f"load must be 'module:attribute', got {shown(self.load)}")
        if not isinstance(self.summary, str) or not self.summary.strip():
            found.append("summary must be one line of text")
        if self.extra is not None and not (
            isinstance(self.extra, str) and _NAME.fullmatch(self.extra)
        ):
            found.append(f"extra must be the name of an extra, got {shown(self.extra)}")
        return found


class FeatureSpec(Spec):
    """A feature extractor: ``load`` is a class that extends `encodekit.FeatureExtractor`."""

    noun = "feature extractor"


class RegressorSpec(Spec):
    """A regressor: ``load`` is a class with ``fit(X, Y)`` and ``predict(X)``."""

    noun = "regressor"


class LossSpec(Spec):
    """A loss: ``load`` is a callable ``loss(predicted, true, mask)`` that returns a scalar."""

    noun = "loss"


class HeadSpec(Spec):
    """A head for tuning: ``load`` is a class that extends `encodekit_brain_tuning.Head`."""

    noun = "head"


class StrategySpec(Spec):
    """What becomes of several participants' fMRI in tuning.

    ``load`` is a class that extends `encodekit_brain_tuning.Strategy`.
    """

    noun = "strategy"


class UpdateSpec(Spec):
    """What of a model tuning changes.

    ``load`` is a class that extends `encodekit_brain_tuning.Update`.
    """

    noun = "update"


class RegionSpec(Spec):
    """A region selector or atlas: ``load`` is a class or function that returns one."""

    noun = "region selector"


class MetricSpec(Spec):
    """A metric: ``load`` is a function ``metric(true, predicted)``, a score for each target."""

    noun = "metric"


class StudySpec(Spec):
    """A study: ``load`` is a function that returns an `encodekit.Study`."""

    noun = "study"


class CommandSpec(Spec):
    """A command of ``encodekit``: ``load`` is a plain function with type annotations."""

    noun = "command"


class BackboneSpec(Spec):
    """A speech model by a short name: ``load`` is a function that returns its folder or hub id."""

    noun = "backbone"


@dataclass(frozen=True)
class PanelSpec(Spec):
    """A panel of the report: ``load`` is a function ``panel(result)`` that returns a Section.

    It may return None where the result holds nothing for it to show. Panels stand in the report
    by their ``order``, then by name; those of encodekit itself have 10, 20, ... 90.

    Parameters
    ----------
    order : int
    """

    noun = "panel"

    order: int = 100

    def _mistakes(self) -> list[str]:
        found = super()._mistakes()
        if type(self.order) is not int:
            found.append(f"order must be an integer, got {shown(self.order)}")
        return found


KINDS: dict[str, type[Spec]] = {
    "features": FeatureSpec,
    "regressors": RegressorSpec,
    "losses": LossSpec,
    "heads": HeadSpec,
    "strategies": StrategySpec,
    "updates": UpdateSpec,
    "regions": RegionSpec,
    "metrics": MetricSpec,
    "studies": StudySpec,
    "commands": CommandSpec,
    "backbones": BackboneSpec,
    "panels": PanelSpec,
}


def name_key(name: str) -> str:
    """Return what two names share when they count as the same name."""
    return re.sub(r"[-_ ]", "", name).lower()
