"""Which labels are words, which tier holds them, and what a study says of those left out."""

import warnings

import numpy as np
import pandas as pd
import pytest

import encodekit as ek
from encodekit.data import (
    PHONE_SILENCE,
    SILENCE,
    Stimulus,
    Study,
    drop_marks,
    find_tier,
    make_response,
    read_textgrid,
    textgrid_tiers,
)

MARKS = {
    "P2FA": "{CG} {SP} {NS} {LG} {BR} {SL} {LS} sp SP sil",
    "Huth lab": "br ns lg cg sl ls sp sentence_start sentence_end Sentence_End",
    "MFA and Kaldi": "spn sil <eps> sp SPN NSN <s> </s> [noise] [laughter] [vocalized-noise]",
    "WebMAUS": "<p:> <usb> <nib> <P>",
    "HTK and Julius": "!ENTER !EXIT !SIL silB silE",
    "Buckeye": "<SIL> <NOISE> <VOCNOISE> <LAUGH> <IVER> {B_TRANS} {E_TRANS}",
    "transcripts": "[music] [APPLAUSE] (laughs) (pause) (.) (0.5) (inaudible) xxx ((noise)) "
    "*sighs* &=laughs ++breath++",
    "Festival": "pau # h# _ n/a",
    "punctuation": ". , - -- — ? ... … ! : ; ' \" « » ¿ # * ♪",
}
WORDS = (
    "the noise laughter silence pause music um uh a I 'em o'clock well- mid-day U.S. 3 10:30 & % "
    "für 嗯 да null nan none NA <unk> <UNK> [unk] <oov> [laughter-yes] <LAUGH-so> {um} (and) "
    "*stop* spa brr silk LGs sentence unknown background"
)


class TestSilence:
    @pytest.mark.parametrize("marks", MARKS.values(), ids=MARKS)
    def test_marks_of_every_aligner_are_no_words(self, marks):
        for mark in marks.split():
            for label in (mark, mark.upper(), mark.lower(), f" {mark} "):
                assert label in SILENCE, label
        assert "" in SILENCE
        assert "  " in SILENCE
        assert "[clears throat]" in SILENCE
        assert "(clears throat)" in SILENCE
        assert "(you see)" not in SILENCE
        assert "(loud noise)" in SILENCE

    def test_words_are_words(self):
        assert [label for label in WORDS.split() if label in SILENCE] == []

    @pytest.mark.parametrize(
        "label",
        ["?", "@", "{", "}", "&", "=", "3:", "I@", 'E"', "ʔ", "ə", "AH0", "p", "b", "t", "N"],
    )
    def test_sounds_of_sampa_are_phones(self, label):
        assert label not in PHONE_SILENCE

    @pytest.mark.parametrize(
        "label",
        ["SIL", "sp", "spn", "<p:>", "#", "h#", "pau", "epi", "NOISE", "{B_TRANS}", "_", ".", "-"],
    )
    def test_pauses_are_no_phones(self, label):
        assert label in PHONE_SILENCE

    def test_labels_can_be_added(self):
        more = SILENCE | {"Um", "UH "}
        assert [label in more for label in ("um", "uh", "sp", "the")] == [True, True, True, False]
        assert "um" not in SILENCE

    @pytest.mark.parametrize(
        ("silence", "kept"),
        [
            (None, ["the", "um", "fox"]),
            ((), ["the", "SP", "{NS}", "um", "fox"]),
            ({"UM"}, ["the", "SP", "{NS}", "fox"]),
            ("um", ["the", "SP", "{NS}", "fox"]),
            (SILENCE | {"um"}, ["the", "fox"]),
        ],
    )
    def test_what_is_left_out_is_counted(self, silence, kept):
        labels = ["the", "SP", "", "{NS}", "um", "", "fox"]
        left = drop_marks(pd.DataFrame({"word": labels}), "word", silence)
        assert left["word"].tolist() == kept
        counts = {label: labels.count(label) for label in labels if label not in kept}
        assert left.attrs["left_out"] == counts


def textgrid(path, tiers, end):
    """Write the tiers, lists of (start, end, label) by name, in the long format."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0",
             f"xmax = {end}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"]  # fmt: skip
    for k, (name, entries) in enumerate(tiers, 1):
        lines += [f"  item [{k}]:", '    class = "IntervalTier"', f'    name = "{name}"',
                  "    xmin = 0", f"    xmax = {end}",
                  f"    intervals: size = {len(entries)}"]  # fmt: skip
        for n, (start, stop, label) in enumerate(entries, 1):
            lines += [f"    intervals [{n}]:", f"      xmin = {start}", f"      xmax = {stop}",
                      f'      text = "{label}"']  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def write(tmp_path):
    return lambda *tiers: textgrid(tmp_path / "a.TextGrid", tiers, end=9)


class TestIntervals:
    @pytest.mark.parametrize("empty", [1, 0.99999, 0.9995])
    @pytest.mark.parametrize("label", ["sp", "", "<p:>", "word"])
    def test_those_without_length_are_left_out_and_counted(self, write, empty, label):
        words = read_textgrid(write(("word", [(0, 1, "the"), (1, empty, label), (1, 2, "fox")])))
        assert words["word"].tolist() == ["the", "fox"]
        assert words["onset"].tolist() == [0, 1]
        assert words["duration"].tolist() == [1, 1]
        assert words.attrs["left_out"] == {label: 1}

    @pytest.mark.parametrize(
        "entries",
        [
            [(0, 0, "sp"), (0, 1, "the"), (1, 2, "fox")],
            [(0, 1, "the"), (1, 1, "sp"), (1, 1, "sil"), (1, 2, "fox")],
            [(0, 1, "the"), (1, 2, "fox"), (2, 2, "sp")],
            [(0, 1.0005, "the"), (1, 2, "fox")],  # rounding
            [(1, 2, "fox"), (0, 1, "the")],
            [(0, 1, "the"), (1e0, 2e0, "fox")],
        ],
    )
    def test_odd_lists_of_intervals_are_read(self, write, entries):
        words = read_textgrid(write(("word", entries)))
        expected = sorted(e for e in entries if e[1] > e[0])
        assert list(words.itertuples(index=False, name=None)) == [
            (label, start, stop - start) for start, stop, label in expected
        ]

    @pytest.mark.parametrize("entries", [
        [(0, 1.2, "the"), (1, 2, "fox")], [(0, 1, "the"), (0, 1, "the"), (1, 2, "fox")],
        [(0, 1, "the"), (0.5, 0.8, "fox")],
    ])  # fmt: skip
    def test_intervals_that_overlap_are_refused(self, write, entries):
        with pytest.raises(ValueError, match="begins at .* s, before 'the' ends at 1"):
            read_textgrid(write(("word", entries)))

    @pytest.mark.parametrize("stop", [0.9, 0.5, 0])
    def test_an_interval_that_ends_before_it_begins_is_refused(self, write, stop):
        with pytest.raises(
            ValueError, match=r"1 intervals .* end before .* interval 2 \('a', 1 to"
        ):
            read_textgrid(write(("word", [(0, 1, "the"), (1, stop, "a"), (1, 2, "fox")])))

    def test_times_are_read_as_praat_writes_them(self, write):
        path = write(("word", [("1e-05", "1.5E0", "a"), (1.5, 2, "b ! no comment, quoted")]))
        path.write_text(path.read_text().replace("xmin = 1e-05", "xmin = 1e-05 ! a comment 7"))
        words = read_textgrid(path)
        assert words["onset"].tolist() == [1e-05, 1.5]
        assert words["word"][1] == "b ! no comment, quoted"

    def test_a_file_of_pauses_alone_has_no_words(self, write):
        words = read_textgrid(write(("word", [(0, 1, "sp"), (1, 2, "")])))
        assert Stimulus("a", words=words, t_r=1.0, duration=2.0).words is words
        assert (
            ek.WordRate().transform([Stimulus("a", words=words, t_r=1.0, duration=2.0)]).sum() == 0
        )

    def test_binary_and_json_grids_are_refused(self, tmp_path):
        (tmp_path / "a.TextGrid").write_bytes(b"ooBinaryFile\x08TextGrid" + b"? " * 20)
        with pytest.raises(ValueError, match="is binary: open it with Praat and save it as a text"):
            read_textgrid(tmp_path / "a.TextGrid")
        (tmp_path / "a.TextGrid").write_text('{"tiers": []}')
        with pytest.raises(ValueError, match="does not begin as a TextGrid does"):
            read_textgrid(tmp_path / "a.TextGrid")


SILENT = [
    (["word", "phone"], "word", "phone"),
    (["words", "phones"], "words", "phones"),
    (["Phones", "Words"], "Words", "Phones"),
    (["notes", "word", "Sally - words"], "word", None),
    (["sentences", "turns"], None, None),
]
TOLD = [
    (["ORT-MAU", "KAN-MAU", "MAU"], "ORT-MAU", "MAU"),
    (["TRN", "ORT", "MAU"], "ORT", "MAU"),
    (["Sally - words", "Sally - phones"], "Sally - words", "Sally - phones"),
    (["wrd", "phonemes"], "wrd", "phonemes"),
    (["utterance", "words_s1", "phones_s1"], "words_s1", "phones_s1"),
    (["orthography", "segments"], "orthography", "segments"),
]


class TestTiers:
    @pytest.mark.parametrize(("names", "word", "phone"), SILENT)
    def test_plain_names_are_taken_silently(self, names, word, phone):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert find_tier(names, "word") == word
            if phone:
                assert find_tier(names, "phone") == phone

    @pytest.mark.parametrize(("names", "word", "phone"), TOLD)
    def test_names_of_aligners_are_taken_with_a_warning(self, names, word, phone):
        for kind, name in (("word", word), ("phone", phone)):
            with pytest.warns(UserWarning, match=rf"tier '{name}' is taken for the {kind}s.*tier="):
                assert find_tier(names, kind) == name

    @pytest.mark.parametrize(
        "names",
        [
            ["A - words", "B - words"],
            ["word", "words"],
            ["ORT", "ORT-MAU"],
            ["words_s1", "words_s2"],
            ["words", "WORDS", "phones"],
        ],
    )
    def test_two_that_may_be_meant_are_refused_with_their_names(self, names, write):
        found = [name for name in names if "phone" not in name]
        with pytest.raises(ValueError, match=", ".join(map(repr, found)) + ".: say which .*tier="):
            find_tier(names, "word")
        path = write(*((name, [(0, 1, name)]) for name in names))
        with pytest.raises(ValueError, match="a.TextGrid' has 2 tiers of words"):
            read_textgrid(path)
        if len(set(map(str.casefold, names))) == len(names):
            assert read_textgrid(path, tier=names[1])["word"].tolist() == [names[1]]

    def test_an_unknown_kind_is_named(self):
        with pytest.raises(ValueError, match="unknown kind 'words': did you mean 'word'"):
            find_tier(["words"], "words")

    @pytest.mark.parametrize(("names", "word", "phone"), [*SILENT[:3], *TOLD])
    @pytest.mark.filterwarnings("ignore:.*is taken for the")
    def test_a_file_of_several_tiers_is_read_by_their_names(self, write, names, word, phone):
        path = write(*((name, [(0, 1, f"in_{name}")]) for name in names))
        assert textgrid_tiers(path) == names
        assert read_textgrid(path)["word"].tolist() == [f"in_{word}"]
        assert read_textgrid(path, kind="phone")["phone"].tolist() == [f"in_{phone}"]

    def test_the_only_tier_is_taken_unless_it_is_of_the_other_kind(self, write):
        assert read_textgrid(write(("Alignment", [(0, 1, "a")])))["word"].tolist() == ["a"]
        path = write(("words", [(0, 1, "a")]))
        with pytest.raises(
            ValueError, match=r"tiers \['words'\], none by a name of phones: say wh"
        ):
            read_textgrid(path, kind="phone")
        assert read_textgrid(path, kind="phone", tier="words")["phone"].tolist() == ["a"]

    def test_tiers_without_a_known_name_are_listed(self, write):
        path = write(("one", [(0, 1, "a")]), ("two", [(0, 1, "b")]))
        with pytest.raises(ValueError, match=r"has the tiers \['one', 'two'\].*with tier="):
            read_textgrid(path)

    def test_two_tiers_of_one_name_are_refused(self, write):
        path = write(("word", [(0, 1, "a")]), ("word", [(0, 1, "b")]))
        with pytest.raises(ValueError, match="has 2 tiers 'word': rename"):
            read_textgrid(path, tier="word")


class TestDescribed:
    @pytest.fixture
    def study(self, write):
        entries = [(k, k + 1, label) for k, label in enumerate(
            ["the", "sp", "<unk>", "{NS}", "noise", "sp", "<unk>", "fox", ""])]  # fmt: skip
        words = read_textgrid(write(("word", entries)))
        stimulus = Stimulus("a", words=words, t_r=1.0, duration=9.0)
        response = make_response(
            np.zeros((9, 2)), run="a", participant="P1", t_r=1.0, tr_times=stimulus.grid,
            space="native", voxel=[0, 1],
        )  # fmt: skip
        return Study("small", [stimulus], {"P1": {"a": response}}, description="")

    def test_it_says_what_was_left_out_and_what_may_be_no_word(self, study, tmp_path):
        for told in (study, _saved(study, tmp_path)):
            assert "(5 words)" in told.describe()
            assert "left out as no words: 'sp' 2, '{NS}' 1, '' 1" in told.describe()
            assert "kept as words, but they may be none: '<unk>' 2, 'noise' 1" in told.describe()

    def test_marks_in_a_table_of_ones_own_are_told_and_kept(self):
        words = pd.DataFrame({"word": ["a", "sp"], "onset": [0.0, 1.0], "duration": [0.5, 0.5]})
        stimulus = Stimulus("a", words=words, t_r=1.0, duration=2.0)
        assert len(stimulus.words) == 2
        assert ek.WordRate(resample="sum").transform([stimulus]).values.sum() == 2

    def test_counts_do_not_change_what_was_heard(self):
        words = pd.DataFrame({"word": ["a"], "onset": [0.0], "duration": [0.5]})
        counted = words.copy()
        counted.attrs["left_out"] = {"sp": 3}
        plain, told = (
            Stimulus("a", words=table, t_r=1.0, duration=2.0) for table in (words, counted)
        )
        assert plain.content_hash == told.content_hash
        assert plain.audio_hash == told.audio_hash


def _saved(study, folder):
    study.save(folder / "saved")
    return ek.load_study(folder / "saved")
