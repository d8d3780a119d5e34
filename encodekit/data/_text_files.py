"""Text files in the encodings that labs have: UTF-8, UTF-16 with a mark; others are refused."""

from pathlib import Path

_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8-sig",
}


def read_text(path: Path, what: str = "") -> str:
    r"""Return a file's text, its lines ended by ``\n``.

    Parameters
    ----------
    path : Path
    what : str
        What kind of file it is, for the message.

    Raises
    ------
    ValueError
        Where it is neither UTF-8 nor, with a mark at its start, UTF-16 or UTF-32; with the
        command that converts it.
    """
    where = f"{what} {str(path)!r}".lstrip()
    content = path.read_bytes()
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{where} is not {encoding.upper()} (byte {error.start}): convert it, "
            f"say by `iconv -f LATIN1 -t UTF-8 {path.name}`"
        ) from error
    if "\0" in text:
        order = "LE" if content[1:2] == b"\0" else "BE"
        raise ValueError(
            f"{where} holds bytes of zero, as UTF-16 without a mark does: convert it, say by "
            f"`iconv -f UTF-16{order} -t UTF-8 {path.name}`"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")
