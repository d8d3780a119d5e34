"""What extractors of a pretrained model share: it is loaded once, and never saved with them."""

from collections.abc import Callable
from typing import Any

from encodekit.core import import_extra


class LoadedModel:
    """A pretrained model kept beside the parameters ``model`` and ``device``.

    It is neither a parameter, nor pickled, nor saved; another ``model`` or ``device`` loads anew.
    """

    model: Any
    device: str | None

    def _kept_model(self, load: Callable[[Any, str], Any]) -> Any:
        """Return ``load(model, device)``, called when first needed."""
        runtime, key = self._runtime(), (str(self.model), self._device())
        if runtime.get("for") != key:
            runtime.clear()
            runtime |= {"model": load(self.model, key[1]), "for": key}
        return runtime["model"]

    def _kept_hash(self, make: Callable[[], str]) -> str:
        """Return ``make()``, called once for a loaded model."""
        runtime = self._runtime()
        if "hash" not in runtime:
            runtime["hash"] = make()
        found: str = runtime["hash"]
        return found

    def _device(self) -> str:
        if self.device is not None:
            return str(self.device)
        torch = import_extra("torch", extra="speech", purpose=type(self).__name__)
        return "cuda" if torch.cuda.is_available() else "cpu"

    def _runtime(self) -> dict[str, Any]:
        runtime: dict[str, Any] = self.__dict__.setdefault("_kept", {})
        return runtime

    def __getstate__(self) -> dict[str, Any]:
        parent: Any = super()
        state: dict[str, Any] = dict(parent.__getstate__())
        state.pop("_kept", None)
        return state
