"""What the adapters register; imported at discovery, so records only."""

from collections.abc import Iterator

from encodekit.plugins import CommandSpec, RegressorSpec, StudySpec, hookimpl

encodekit_api = 1


@hookimpl
def encodekit_studies() -> Iterator[StudySpec]:
    """Studies that users have on disk."""
    yield StudySpec(
        "lebel2023",
        load="encodekit_adapters.lebel2023:load_lebel2023",
        summary="LeBel et al. 2023 (OpenNeuro ds003020): 9 people, up to 84 stories",
        extra="lebel2023",
    )
    yield StudySpec(
        "narratives",
        load="encodekit_adapters.narratives:load_narratives",
        summary="Narratives (OpenNeuro ds002345): spoken stories, hundreds of people, fsaverage6",
        extra="bids",
    )
    yield StudySpec(
        "bids",
        load="encodekit_adapters.bids:load_bids",
        summary="any output of fMRIPrep: volume, GIFTI or CIFTI, with events and confounds",
        extra="bids",
    )
    yield StudySpec(
        "folder",
        load="encodekit_adapters.folder:load_folder",
        summary="a study of one's own: a folder with arrays, sound and words, and study.json",
        extra="folder",
    )


@hookimpl
def encodekit_regressors() -> Iterator[RegressorSpec]:
    """Return himalaya's estimators."""
    for name, load, summary in (
        ("himalaya-ridge", "HimalayaRidgeCV", "himalaya's RidgeCV"),
        ("himalaya-kernel-ridge", "HimalayaKernelRidgeCV", "himalaya's KernelRidgeCV, linear"),
        ("himalaya-group-ridge", "HimalayaGroupRidgeCV", "himalaya's GroupRidgeCV over bands"),
        ("himalaya-multiple-kernel-ridge", "HimalayaMultipleKernelRidgeCV",
         "himalaya's MultipleKernelRidgeCV, a linear kernel for each band"),
    ):  # fmt: skip
        yield RegressorSpec(
            name,
            load=f"encodekit_adapters.himalaya_bridge:{load}",
            summary=summary,
            extra="himalaya",
        )


@hookimpl
def encodekit_commands() -> Iterator[CommandSpec]:
    """Return the command ``data``."""
    yield CommandSpec(
        "data",
        load="encodekit_adapters.data_command:data",
        summary="Get a data set, check a study's folder, or convert it to zarr.",
    )
