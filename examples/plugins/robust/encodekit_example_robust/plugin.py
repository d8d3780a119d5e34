"""What the robust plugin registers; imported at discovery, so records only."""

from collections.abc import Iterator

from encodekit import LossSpec, PanelSpec, hookimpl

encodekit_api = 1


@hookimpl
def encodekit_losses() -> Iterator[LossSpec]:
    """Return the loss."""
    yield LossSpec(
        "huber",
        load="encodekit_example_robust.losses:huber",
        summary="quadratic below a threshold, linear above (threshold=1.0)",
    )


@hookimpl
def encodekit_panels() -> Iterator[PanelSpec]:
    """Return the panel."""
    yield PanelSpec(
        "outliers",
        load="encodekit_example_robust.panels:outliers",
        summary="participants with targets that score far from the others",
    )
