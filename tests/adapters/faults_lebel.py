"""Damage to LeBel's data set: its sounds, TextGrids and arrays."""

from functools import partial

import numpy as np

from encodekit_adapters import _lebel_facts as facts

STORY, WHOLE, TEST, PERSON = "legacy", "avatar", "wheretheressmoke", "UTS05"
STORIES = [STORY, WHOLE, TEST]
SAYS = "|".join(STORIES)  # an error names one of them
FOLDER = f"derivative/preprocessed_data/{PERSON}"
HF5, WHOLE_HF5, TEST_HF5 = (f"{FOLDER}/{story}.hf5" for story in STORIES)
GRID, WAV = f"derivative/TextGrids/{STORY}.TextGrid", f"stimuli/{STORY}.wav"
POINTERS = {
    "annex": "/annex/objects/MD5E-s9--0\n",
    "lfs": "version https://git-lfs.github.com/spec/v1\nsize 9\n",
}


def write(layouts, root, respdict):
    """Write two stories and the test story; the values of one are whole numbers, as floats."""
    layouts.write_lebel(root, respdict, {PERSON: STORIES})
    layouts.write_hf5_anew(root / WHOLE_HF5, data=whole_values(layouts))


def whole_values(layouts):
    return np.rint(100 * layouts.lebel_values(5, facts.n_rows(WHOLE), layouts.N_VOXELS))


def cut(root, name, share):
    path = root / name
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def edit(root, old, new, encoding="utf-8"):
    content = (root / GRID).read_text()
    assert old in content
    (root / GRID).write_bytes(content.replace(old, new, 1).encode(encoding))


def pointer(root, name, kind):
    (root / name).unlink()
    if kind == "link":
        (root / name).symlink_to(".git/annex/objects/MD5E-s9--0")
    else:
        (root / name).write_text(POINTERS[kind])


def lost(root, name):
    (root / name).unlink()


def faults(fault, layouts):
    """Yield all faults of this layout."""
    rng = np.random.default_rng(0)
    yield from (fault("named", kind, damage, SAYS) for kind, damage in _random(rng, layouts))
    yield from (fault("named", kind, damage, SAYS) for kind, damage in _placed(layouts))
    for dtype in ("i2", "i4", "i8", ">i4", "f4", ">f8"):
        values = whole_values(layouts).astype(dtype)
        yield fault("right", "hf5 of another type", _anew(layouts, WHOLE_HF5, data=values))


def _random(rng, layouts):
    """Yield (kind, damage) at random places."""
    n, width = facts.n_rows(STORY), layouts.N_VOXELS

    def gap(start, length, value):
        values = layouts.lebel_values(0, n, width)
        values[start : start + length, int(rng.integers(width))] = value
        return _anew(layouts, HF5, data=values)

    for _ in range(32):
        yield "hf5 cut short", partial(cut, name=HF5, share=rng.uniform(0.01, 0.98))
        yield "wav cut short", partial(cut, name=WAV, share=rng.uniform(0.0, 0.99))
        yield "TextGrid cut short", partial(cut, name=GRID, share=rng.uniform(0.3, 0.97))
    for _ in range(20):
        start, length = int(rng.integers(1, n - 20)), int(rng.integers(1, 15))
        yield "NaN run", gap(start, length, np.nan)
        shape = (n - int(rng.integers(1, 200)), width)
        yield "TRs lacking", _anew(layouts, HF5, data=layouts.lebel_values(0, *shape))
    for _ in range(10):
        values = layouts.lebel_values(0, n, width + int(rng.integers(1, 5)))
        yield "voxels that change", _anew(layouts, HF5, data=values)
        yield "infinite value", gap(int(rng.integers(n)), 1, np.inf)


def _placed(layouts):
    """Yield (kind, damage) for each fault that has one place."""
    n = facts.n_rows(STORY)
    for name in (HF5, WAV, GRID):
        for kind in ("link", *POINTERS):
            yield "pointer", partial(pointer, name=name, kind=kind)
        yield "missing file", partial(lost, name=name)
        yield "missing file", partial(lost, name=name.replace(STORY, WHOLE))
    for size in (1, 2, 4, 5, 30):
        yield "TextGrid of another size", partial(edit, old="\n3\n", new=f"\n{size}\n")
    for old, new in (('"word"', '"words"'), ('"phone"', '"phones"'), ("<exists>\n2", "<exists>\n3"),
                     ('"IntervalTier"', '"TextTier"'), ('"TextGrid"', '"Sound"')):  # fmt: skip
        yield "TextGrid of another shape", partial(edit, old=old, new=new)
    for encoding in ("latin-1", "cp1252", "mac-roman"):
        yield "other encoding", partial(edit, old="FOX", new="FÜR", encoding=encoding)
    for kind, values in (("text", np.full((n, 4), b"x")), ("complex numbers", np.ones((n, 4)) * 1j),
                         ("a vector", np.zeros(n))):  # fmt: skip
        yield f"hf5 of {kind}", _anew(layouts, HF5, data=values)
    yield "hf5 with another key", _anew(layouts, HF5, values=np.zeros((n, 4)))
    for shape in ((4, 291, 4), (10, 291, 4), (5, 290, 4), (5, 291, 3)):
        arrays = {"data": np.zeros((291, 4)), "individual_repeats": np.zeros(shape)}
        yield "repeats of another shape", _anew(layouts, TEST_HF5, **arrays)


def _anew(layouts, name, **arrays):
    return lambda root: layouts.write_hf5_anew(root / name, **arrays)
