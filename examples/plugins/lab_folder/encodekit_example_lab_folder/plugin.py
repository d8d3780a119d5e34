"""What the lab folder plugin registers; imported at discovery, so records only."""

from collections.abc import Iterator

from encodekit import StudySpec, hookimpl

encodekit_api = 1


@hookimpl
def encodekit_studies() -> Iterator[StudySpec]:
    """Return the loader."""
    yield StudySpec(
        "lab-folder",
        load="encodekit_example_lab_folder.study:load_lab_folder",
        summary="a folder with stories/STORY.wav and PARTICIPANT/STORY.npy (root=, t_r=)",
    )
