"""Damage to what was heard: tables of words, TextGrids and sounds, whatever layout they are in."""

import io
from functools import partial

import numpy as np
import soundfile

POINTERS = {
    "annex": "/annex/objects/MD5E-s9--0\n",
    "lfs": "version https://git-lfs.github.com/spec/v1\nsize 9\n",
}


def spoken(seed=0, n=100):
    """Return (word, onset, duration) of n words; one holds a quotation mark, one an accent."""
    rng = np.random.default_rng(seed)
    onsets = 0.5 + 0.4 * np.arange(n) + rng.uniform(0, 0.1, n).round(3)
    labels = [f"w{k}" for k in range(n)]
    labels[7], labels[11] = '6"', "naïve"
    return [(label, round(float(t), 3), 0.25) for label, t in zip(labels, onsets, strict=True)]


def write_table(path, words, separator=",", names=("word", "onset", "duration")):
    rows = [separator.join(map(str, row)) for row in [names, *words]]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def write_grid(layouts, path, words, end, **more):
    """Write a TextGrid with tiers of words and of phones, one phone a word, and more tiers."""
    doubled = [(onset, length, label.replace('"', '""')) for label, onset, length in words]
    phones = [(onset, length / 2, "AH") for _, onset, length in words]
    tiers = {"word": doubled, "phone": phones}
    filled = {name: layouts.silence_between(rows, end) for name, rows in tiers.items()}
    path.write_text(layouts.textgrid(filled | more, end), encoding="utf-8")


def rewritten(name, change):
    """Return a damage: the text of a file, changed; ``change`` returns text or bytes."""

    def damage(root):
        path = root / name
        made = change(path.read_text(encoding="utf-8"))
        path.write_bytes(made if isinstance(made, bytes) else made.encode())

    return damage


def of_lines(change):
    """Return a change of a text: of the list of its lines."""
    return lambda text: "\n".join(change(text.rstrip("\n").split("\n"))) + "\n"


def swap(old, new, count=1):
    def change(text):
        assert old in text
        return text.replace(old, new, count)

    return change


def cells(change, rows=slice(1, None)):
    """Return a change of a .csv: of the list of cells of some rows."""

    def of(lines):
        lines[rows] = [",".join(change(line.split(","))) for line in lines[rows]]
        return lines

    return of_lines(of)


def encodings(text):
    """Yield (verdict, kind, bytes) for encodings of a text that holds an accent."""
    lines = text.replace("\r", "")
    yield "right", "BOM", b"\xef\xbb\xbf" + lines.encode()
    for order, mark in (("le", b"\xff\xfe"), ("be", b"\xfe\xff")):
        yield "right", "UTF-16 with a mark", mark + lines.encode(f"utf-16-{order}")
        yield "named", "UTF-16 without a mark", lines.encode(f"utf-16-{order}")
    yield "right", "line ends of Windows", lines.replace("\n", "\r\n").encode()
    yield "right", "line ends of old Macs", lines.replace("\n", "\r").encode()
    for name in ("latin-1", "cp1252", "mac-roman"):
        yield "named", "8-bit encoding", lines.encode(name)


def file_faults(fault, name, says, kind, *, needed=True):
    """Yield what happens to any file: it is lacking, empty, a pointer, or another file."""
    if needed:
        yield fault("named", f"{kind} missing", lambda root: (root / name).unlink(), says)
    page = b"<!DOCTYPE html><html><body>404: Not Found</body></html>\n"
    for content, what in ((lambda old: old[:0], "empty"), (lambda _: page, "is a web page"),
                          (lambda old: bytes(len(old)), "is zeros")):  # fmt: skip
        damage = partial(_changed, name=name, change=content)
        yield fault("named", f"{kind} {what}", damage, says)

    def link(root):
        (root / name).unlink()
        (root / name).symlink_to(".git/annex/objects/MD5E-s9--0")

    yield fault("named", f"{kind} is a pointer", link, says)
    for text in POINTERS.values():
        write = partial(_write_text, name=name, text=text)
        yield fault("named", f"{kind} is a pointer", write, says)


def _write_text(root, name, text):
    (root / name).write_text(text)


def table_faults(fault, name, says, *, needed=True):
    """Yield damage to a .csv of words, whose columns are word, onset and duration."""
    yield from file_faults(fault, name, says, "words", needed=needed)

    def of(verdict, kind, change, more=says):
        return fault(verdict, f"words: {kind}", rewritten(name, change), more)

    for k, (verdict, kind, _) in enumerate(encodings("")):
        yield of(verdict, kind, partial(_encoded, k=k))
    for kind, change in _tables_that_are_right():
        yield of("right", kind, change)
    lone = rewritten(name, cells(lambda row: [f'"{row[0]}', *row[1:]], slice(9, 10)))
    yield fault("right", "words: a lone quotation mark", lone, says, _marked)
    for kind, change in _tables_that_are_wrong():
        yield of("named", kind, change)


def _encoded(text, k):
    return list(encodings(text))[k][2]


def _marked(intact):
    """A quotation mark that opens no cell is a part of its word, the ninth."""
    words = list(intact["words of a"])
    words[8] = (f'"{words[8][0]}', *words[8][1:])
    return {**intact, "words of a": words}


def _quoted(lines):
    quoted = [[cell.replace('"', '""') for cell in line.split(",")] for line in lines]
    return [",".join(f'"{cell}"' for cell in row) for row in quoted]


def _tables_that_are_right():
    yield "all cells quoted", of_lines(_quoted)
    yield "a line is empty", of_lines(lambda rows: [*rows[:5], "", *rows[5:]])
    yield "no line end at the end", lambda text: text.rstrip("\n")
    yield "columns in another order", cells(lambda row: [row[2], row[0], row[1]], slice(None))
    yield "spaces around words", cells(lambda row: [f" {row[0]} ", *row[1:]])
    yield "another column", cells(lambda row: [*row, "x" if row[0] != "word" else "note"],
                                  slice(None))  # fmt: skip
    yield "times with exponents", cells(lambda row: [row[0], f"{float(row[1]):.9e}", row[2]])
    yield "a pause among them", of_lines(lambda rows: [*rows[:9], "sp,4.0,0.0", *rows[9:]])


def _tables_that_are_wrong():
    for k, column in enumerate(("word", "onset", "duration")):
        drop = partial(lambda row, k: row[:k] + row[k + 1 :], k=k)
        yield "a column lacks", cells(drop, slice(None))
        yield "a column of another name", swap(column, f"{column}_s")
    yield "no header", of_lines(lambda rows: rows[1:])
    yield "several columns of a name", of_lines(lambda rows: ["word,onset,onset", *rows[1:]])
    for sign in (";", "\t", "|"):
        yield "another separator", _signed(sign)
    for cell in ("n/a", "", "x", "inf", "-inf", "1,5", "1_0", "nan"):
        yield "a time that is no number", cells(partial(_with, k=1, cell=cell), slice(30, 31))
        yield "a time that is no number", cells(partial(_with, k=2, cell=cell), slice(50, 51))
    yield "decimal commas in quotes", cells(lambda row: [row[0], f'"{row[1]}"'.replace(".", ","),
                                                         row[2]])  # fmt: skip
    for factor, what in ((1000, "milliseconds"), (16000, "samples"), (1e7, "100 ns")):
        yield f"times are {what}", cells(partial(_scaled, factor=factor))
    yield "durations are milliseconds", cells(lambda row: [*row[:2], str(1000 * float(row[2]))])
    yield "durations are ends", cells(lambda row: [*row[:2], str(float(row[1]) + float(row[2]))])
    yield "columns exchanged", swap("onset,duration", "duration,onset")
    yield "an onset beyond the sound", cells(partial(_with, k=1, cell="4000.5"), slice(100, 101))
    yield "an onset before the sound", cells(partial(_with, k=1, cell="-0.5"), slice(1, 2))
    yield "a negative duration", cells(partial(_with, k=2, cell="-0.25"), slice(40, 41))
    yield "rows out of order", of_lines(lambda rows: [*rows[:20], *rows[21:60], rows[20],
                                                      *rows[60:]])  # fmt: skip
    yield "a row too short", of_lines(lambda rows: [*rows[:20], "w19,8.1", *rows[21:]])
    yield "a row too long", cells(lambda row: [*row, "x"], slice(20, 21))
    yield "a line break in a cell", cells(lambda row: ['"w\n9"', *row[1:]], slice(9, 10))
    yield "rows twice", of_lines(lambda rows: [*rows[:20], rows[19], *rows[20:]])
    yield "the file twice", lambda text: text + text
    yield "cut within a row", lambda text: text[: text.index("\nw60,") + 6]
    yield "a byte of zero", swap("w30", "w\x0030")


def _signed(sign):
    return lambda text: text.replace(",", sign)


def _with(row, k, cell):
    return [*row[:k], cell, *row[k + 1 :]]


def _scaled(row, factor):
    return [row[0], *(str(round(float(cell) * factor)) for cell in row[1:])]


def grid_faults(fault, name, says, rng, *, needed=True):
    """Yield damage to a TextGrid of `write_grid`."""
    yield from file_faults(fault, name, says, "TextGrid", needed=needed)

    def of(verdict, kind, change, more=says):
        return fault(verdict, f"TextGrid: {kind}", rewritten(name, change), more)

    for k, (verdict, kind, _) in enumerate(encodings("")):
        yield of(verdict, kind, partial(_encoded, k=k))
    for _ in range(8):
        yield of("named", "cut short", partial(_first, share=rng.uniform(0.02, 0.98)))
    for kind, change in _grids_that_are_right():
        yield of("right", kind, change)
    for kind, change in _grids_that_are_wrong():
        yield of("named", kind, change)


def _first(text, share):
    return text[: int(len(text) * share)]


def _interval(text, label="w30"):
    """Return the line of the beginning of an interval of words, and all lines."""
    lines = text.split("\n")
    at = lines.index(f'"{label}"')
    return at - 2, lines


def _timed(text, start=None, end=None, label="w30"):
    at, lines = _interval(text, label)
    lines[at] = lines[at] if start is None else repr(float(lines[at]) + start)
    lines[at + 1] = lines[at + 1] if end is None else repr(float(lines[at + 1]) + end)
    return "\n".join(lines)


def _counted(text, more, tier='"word"'):
    """Change the number of intervals that a tier states."""
    lines = text.split("\n")
    at = lines.index(tier) + 3
    lines[at] = str(int(lines[at]) + more)
    return "\n".join(lines)


def _with_interval(text, start, end, label):
    at, lines = _interval(text)
    lines[at:at] = [start or lines[at], end or lines[at], f'"{label}"']
    return _counted("\n".join(lines), 1)


def _with_tier(text, name, kind="IntervalTier"):
    more = f'"{kind}"\n"{name}"\n0\n50\n1\n0\n' + ("50\n" if kind == "IntervalTier" else "")
    return swap("<exists>\n2", "<exists>\n3")(text) + more + '"note"\n'


def _long(text):
    """Return a TextGrid of the short format in Praat's long one."""
    lines = iter(text.rstrip("\n").split("\n")[3:])
    made = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", f"xmin = {next(lines)} ",
            f"xmax = {next(lines)} ", f"tiers? {next(lines)} ", f"size = {next(lines)} ",
            "item []: "]  # fmt: skip
    for k, kind in enumerate(lines, 1):
        made += [f"    item [{k}]:", f"        class = {kind} ", f"        name = {next(lines)} ",
                 f"        xmin = {next(lines)} ", f"        xmax = {next(lines)} "]  # fmt: skip
        size = int(next(lines))
        made.append(f"        intervals: size = {size} ")
        for n in range(1, size + 1):
            made.append(f"        intervals [{n}]:")
            made += [f"            {what} = {next(lines)} " for what in ("xmin", "xmax", "text")]
    return "\n".join(made) + "\n"


def _grids_that_are_right():
    yield "long format", _long
    yield "an interval without length", partial(_with_interval, start="", end="", label="x")
    yield "a comment", swap("<exists>", "<exists> ! by hand")
    yield "a tier of notes", partial(_with_tier, name="notes")
    yield "a tier of points", partial(_with_tier, name="notes", kind="TextTier")
    yield "names in capitals", swap('"word"', '"WORD"')
    yield "another name of the words", swap('"word"', '"words"')
    yield "a name that aligners give", swap('"word"', '"ORT-MAU"')
    yield "spaces around a label", swap('"w30"', '" w30 "')
    yield "another pause", swap('"sp"', '"<p:>"', 30)
    yield "spaces at line ends", lambda text: text.replace("\n", " \n")


def _grids_that_are_wrong():
    for more in (-2, -1, 1, 3):
        yield "another number of intervals", partial(_counted, more=more)
        yield "another number of intervals", partial(_counted, more=more, tier='"phone"')
    for n in (1, 3, 9):
        yield "another number of tiers", swap("<exists>\n2", f"<exists>\n{n}")
    yield (
        "two tiers of words",
        lambda text: swap('"word"', '"Ann - words"')(_with_tier(text, "Bob - words")),
    )
    yield "two tiers of one name", partial(_with_tier, name="word")
    yield "no tier of words", swap('"word"', '"notes"')
    yield "points in place of intervals", swap('"IntervalTier"', '"TextTier"')
    yield "an unknown kind of tier", swap('"IntervalTier"', '"Tier"')
    yield "no TextGrid", swap('"TextGrid"', '"Sound"')
    yield "binary", lambda text: b"ooBinaryFile\x08TextGrid" + bytes(64)
    yield "a mark that is not doubled", swap('"6"""', '"6""')
    yield "a label that does not close", swap('"w30"', '"w30')
    yield "a label without marks", swap('"w30"', "w30")
    yield "an interval backwards", partial(_timed, end=-2.0)
    yield "an interval beyond the next", partial(_timed, end=3.0)
    yield "an interval before the last", partial(_timed, start=-3.0)
    yield "an interval twice", _twice
    yield "a time that is no number", lambda text: _number(text, "12,5")
    yield "a time that is no number", lambda text: _number(text, "--")
    yield "a time that is no number", lambda text: _number(text, "nan")
    yield "a time that is lacking", lambda text: _number(text, "")
    yield "times are milliseconds", _milliseconds


def _twice(text):
    at, lines = _interval(text)
    lines[at:at] = lines[at : at + 3]
    return _counted("\n".join(lines), 1)


def _number(text, number):
    at, lines = _interval(text)
    lines[at] = number
    return "\n".join(lines)


def _milliseconds(text):
    lines = text.split("\n")
    at = lines.index('"word"') + 4
    for k in range(at, lines.index('"phone"') - 1):
        if not lines[k].startswith('"'):
            lines[k] = repr(1000 * float(lines[k]))
    return "\n".join(lines)


def sound_faults(fault, name, says, rng):
    """Yield damage to a mono WAV of 16 bit."""
    yield from file_faults(fault, name, says, "sound")

    def of(verdict, kind, change):
        return fault(verdict, f"sound: {kind}", partial(_changed, name=name, change=change), says)

    for _ in range(8):
        yield of("named", "cut short", partial(_first, share=rng.uniform(0.005, 0.99)))
    for kind, change in _sounds_that_are_right():
        yield of("right", kind, change)
    for kind, change in _sounds_that_are_wrong():
        yield of("named", kind, change)


def _changed(root, name, change):
    (root / name).write_bytes(change((root / name).read_bytes()))


def _anew(content, change=lambda x: x, **kind):
    samples, rate = soundfile.read(io.BytesIO(content), dtype="float64")
    made = io.BytesIO()
    soundfile.write(made, change(samples), rate, **{"format": "WAV", "subtype": "PCM_16", **kind})
    return made.getvalue()


def _sized(content, whole, sound):
    """State other sizes of the file and of its sound."""
    at, made = content.index(b"data") + 4, bytearray(content)
    for place, size in ((4, whole), (at, sound)):
        if size is not None:
            made[place : place + 4] = size.to_bytes(4, "little")
    return bytes(made)


def _with_chunk(content, name=b"LIST", size=26):
    chunk = name + size.to_bytes(4, "little") + b"INFO" + bytes(size - 4)
    made = content[:12] + chunk + content[12:]
    return made[:4] + (len(made) - 8).to_bytes(4, "little") + made[8:]


def _sounds_that_are_right():
    yield "two channels", partial(_anew, change=lambda x: np.stack([x, x], axis=1))
    yield "six channels", partial(_anew, change=lambda x: np.stack([x] * 6, axis=1))
    for subtype in ("PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        yield "more bits", partial(_anew, subtype=subtype)
    for form in ("FLAC", "AIFF", "W64", "RF64", "AU", "WAVEX"):
        yield "another format of that name", partial(_anew, format=form)
    for whole, sound in ((0, 0), (0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFF024, 0x7FFFF000), (None, 0),
                         (0xFFFFFFFF, 0xFFFFFFDB), (36, 0), (0x80000024, 0x80000000)):  # fmt: skip
        yield "written into a pipe", partial(_sized, whole=whole, sound=sound)
    yield "a chunk before the sound", _with_chunk
    yield "a chunk of an unknown kind", partial(_with_chunk, name=b"xyz ")


def _sounds_that_are_wrong():
    for scale, subtype in ((32768, "FLOAT"), (2**31, "DOUBLE"), (2**23, "FLOAT")):
        yield (
            "floats in units of integers",
            partial(_anew, change=partial(np.multiply, scale), subtype=subtype),
        )
    for value in (np.nan, np.inf, -np.inf):
        yield (
            "a sample that is no number",
            partial(_anew, change=partial(_at, value=value), subtype="FLOAT"),
        )
    yield "no samples", partial(_anew, change=lambda x: x[:0])
    yield "no header", lambda content: content[44:]
    yield "an unknown codec", lambda content: content[:20] + b"\x99\x99" + content[22:]
    yield "FLAC of that name, cut", lambda content: _anew(content, format="FLAC")[:9000]
    yield "a text in front", lambda content: b"\n\n" + content


def _at(samples, value):
    made = samples.copy()
    made[500] = value
    return made


def packed_faults(fault, name, says, rng):
    """Yield damage to a sound in a packed format, of the run of that name."""
    yield from file_faults(fault, name, says, f"sound {name[-4:]}")

    def of(verdict, kind, change, **more):
        damage = partial(_changed, name=name, change=change)
        return fault(verdict, f"sound {name[-4:]}: {kind}", damage, says, **more)

    for _ in range(8):
        yield of("named", "cut short", partial(_first, share=rng.uniform(0.02, 0.97)))
    yield of("named", "a part is zeros", _zeroed)
    if name.endswith(".mp3"):
        tag = b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)
        yield of("right", "a tag in front", lambda content: tag + content)
        yield of("right", "a tag at the end", lambda content: content + b"TAG".ljust(128, b"\0"))
        yield _without_header(fault, name, says)


def _without_header(fault, name, says):
    """An mp3 without its first frame, which counts the others and what an encoder put in front.

    What is expected is read with the frame that counts, but without the encoder's note.
    """
    seen = {}

    def damage(root):
        content = (root / name).read_bytes()
        at = content.index(b"Xing") + 120  # flags, two counts, 100 bytes of places, a quality
        noted = content[:at] + bytes(36) + content[at + 36 :]
        seen["sound"] = soundfile.read(io.BytesIO(noted), dtype="float32")[0]
        start = content.index(content[:2], at)
        (root / name).write_bytes(content[start:])

    def expected(intact):
        assert seen["sound"].size > intact[f"sound of {name[:-4]}"].size
        return {**intact, f"sound of {name[:-4]}": seen["sound"]}

    return fault("right", f"sound {name[-4:]}: without its header", damage, says, expected)


def _zeroed(content):
    at = len(content) // 2
    return content[:at] + bytes(2000) + content[at + 2000 :]
