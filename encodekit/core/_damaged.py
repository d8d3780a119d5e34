"""Whatever a reader of damaged data raises, said in one way: which file, and why."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from encodekit.core._extras import MissingExtraError


@contextmanager
def reading(path: Path, kind: str, *, advice: str = "copy it again") -> Iterator[None]:
    """Turn what h5py, zipfile, zlib, nibabel or NumPy raise within into one ValueError.

    What says already that a file is lacking, or a package, stays as it is.

    Raises
    ------
    ValueError
        With the file, the kind that it was read as and the cause.
    """
    try:
        yield
    except (FileNotFoundError, MissingExtraError):
        raise
    except Exception as error:
        cause = str(error) or type(error).__name__
        raise ValueError(
            f"{str(path)!r} cannot be read as {kind} ({cause:.300}): it was cut short or damaged; "
            f"{advice}"
        ) from error
