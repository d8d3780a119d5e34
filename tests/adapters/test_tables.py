"""Tables as labs have them: every cell is read right, or the file is refused with its row."""

import csv
import io
import re

import numpy as np
import pandas as pd
import pytest

from encodekit.data import SILENCE
from encodekit_adapters._tables import numbers, numeric_table, read_labels, read_table

SIGNS = {".csv": ",", ".tsv": "\t"}
HEAD = ["onset", "duration", "word"]


@pytest.fixture(params=[".csv", ".tsv"])
def ending(request):
    return request.param


@pytest.fixture
def write(tmp_path):
    def written(text, ending=".csv", encoding="utf-8"):
        path = tmp_path / f"a{ending}"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return written


def plain(rows, ending, end="\n"):
    """Return a table as a program writes it that knows no quotation marks."""
    return "".join(SIGNS[ending].join(map(str, row)) + end for row in rows)


def quoted(rows, ending, **how):
    """Return a table as Python's csv module writes it."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=SIGNS[ending], lineterminator="\n", **how).writerows(rows)
    return buffer.getvalue()


ODD_WORDS = {
    "two marks apart": ['"Yes', "I", 'know"', "she"],
    "one mark first": ['"Yes', "I", "know", "she"],
    "one mark last": ["Yes", "I", 'know"', "she"],
    "a mark within": ["Ye", '6"', 'a"b', "she"],
    "marks alone": ['"', '"', "'", "she"],
    "doubled": ['""Yes', 'I""', '"', "she"],
    "many": ['"a', 'b"', '"c', 'd"'],
}


class TestQuotationMarks:
    @pytest.mark.parametrize("words", ODD_WORDS.values(), ids=ODD_WORDS)
    def test_no_mark_swallows_a_row(self, write, ending, words):
        rows = [HEAD, *([k, 0.5, word] for k, word in enumerate(words))]
        for order in ([0, 1, 2], [2, 0, 1], [0, 2, 1]):
            table = read_table(
                write(plain([[row[k] for k in order] for row in rows], ending), ending)
            )
            assert table["word"].tolist() == words
            assert table["onset"].tolist() == list("0123")

    @pytest.mark.parametrize(
        "cells", [["a, b", "c"], ['say "yes"', "d"], ['"', '""'], ["", "x"], ['", "', "e,"]]
    )
    @pytest.mark.parametrize("how", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    def test_cells_that_a_program_quoted_are_read_as_it_reads_them(self, write, ending, cells, how):
        rows = [["one", "two", "three"], [cells[0], 1, cells[1]], [cells[1], 2, cells[0]]]
        table = read_table(write(quoted(rows, ending, quoting=how), ending))
        assert table.to_numpy().tolist() == [list(map(str, row)) for row in rows[1:]]

    def test_what_pandas_writes_is_read_back(self, write, ending):
        words = ["a", 'b"', '"c', "d,e", "null", "NA", "nan", " f", "für"]
        told = pd.DataFrame({"word": words, "onset": np.arange(9) / 3, "duration": 0.1})
        buffer = io.StringIO()
        told.to_csv(buffer, sep=SIGNS[ending], index=False)
        found = read_labels(write(buffer.getvalue(), ending), "word")
        assert found["word"].tolist() == [word.strip() for word in words]
        np.testing.assert_array_equal(found["onset"], told["onset"])


class TestShape:
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_every_end_of_line_is_one(self, write, ending, end):
        text = plain([HEAD, [0, 1, "a"], [1, 1, "b"]], ending, end)
        for more in ("", end, end * 3):
            assert read_table(write(text + more, ending))["word"].tolist() == ["a", "b"]

    @pytest.mark.parametrize(
        ("row", "there"), [([0.5, 0.2], 2), ([0.5], 1), ([0.5, 0.2, "a", "b"], 4)]
    )
    def test_rows_of_another_length_are_refused_with_their_number(self, write, ending, row, there):
        rows = [HEAD, [0, 1, "a"], row, [1, 1, "b"], row]
        with pytest.raises(ValueError, match=r"2 rows have other than 3 cells: row 2 .line 3. has "
                           rf"{there}, row 4 .line 5. has {there}"):  # fmt: skip
            read_table(write(plain(rows, ending), ending))

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_a_line_break_in_a_cell_is_refused_with_its_row(self, write, ending, place):
        rows = [HEAD, [0, 1, "a"], [1, 1, "b"], [2, 1, "c"]]
        rows[2][place] = "two\nlines"
        with pytest.raises(ValueError, match=r"row [23] \(line [34]\) has.*must end on its line"):
            read_table(write(quoted(rows, ending), ending))

    @pytest.mark.parametrize("sign", ["\t", "\v", "\u2028", "\x85"])
    @pytest.mark.parametrize("place", [0, 2])
    def test_a_tab_or_another_break_in_a_cell_is_refused_with_its_row(
        self, write, ending, sign, place
    ):
        rows = [HEAD, [0, 1, "a"], [1, 1, "b"]]
        rows[2][place] = f"two{sign}cells"
        message = rf"row 2 \(line 3\), cell {place + 1} holds a tab or a line break"
        with pytest.raises(ValueError, match=message):
            read_table(write(quoted(rows, ending, quoting=csv.QUOTE_ALL), ending))

    def test_names_of_rows_that_no_column_names_are_told(self, write, ending):
        rows = [HEAD, [1, 0, 1, "a"], [2, 1, 1, "b"]]
        with pytest.raises(ValueError, match=r"without names of rows .R: row.names = FALSE"):
            read_table(write(plain(rows, ending), ending))

    @pytest.mark.parametrize("twice", ["onset", "word"])
    def test_two_columns_of_one_name_are_refused(self, write, ending, twice):
        rows = [[*HEAD, twice], [0, 1, "a", 2]]
        with pytest.raises(ValueError, match=f"has several columns '{twice}': rename all but one"):
            read_table(write(plain(rows, ending), ending))

    @pytest.mark.parametrize(
        ("written_as", "named", "said", "expected"),
        [("\t", ".csv", "a tab", "','"), (";", ".csv", "';'", "','"), ("|", ".csv", "'|'", "','"),
         (",", ".tsv", "','", "a tab"), (";", ".tsv", "';'", "a tab")],
    )  # fmt: skip
    def test_another_separator_is_named(self, write, written_as, named, said, expected):
        text = "".join(written_as.join(map(str, row)) + "\n" for row in [HEAD, ["0,5", 1, "a"]])
        told = re.escape(f"separated by {said}, but those of a {named} by {expected}")
        with pytest.raises(ValueError, match=told):
            read_table(write(text, named))

    def test_an_empty_line_is_no_row_but_an_empty_cell_of_one_column(self, write, ending):
        assert (
            len(read_table(write(plain([HEAD, [0, 1, "a"], [], [1, 1, "b"]], ending), ending))) == 2
        )
        assert read_table(write("x\n1\n\n3\n", ending))["x"].tolist() == ["1", "", "3"]

    def test_endings_are_known_in_capitals_and_others_named(self, write):
        assert read_table(write("a,b\n1,2\n", ".CSV"))["b"].tolist() == ["2"]
        with pytest.raises(ValueError, match="unknown ending '.xlsx'"):
            read_table(write("a", ".xlsx"))

    @pytest.mark.parametrize("text", ["", "\n\n", "  "])
    def test_an_empty_file_is_named(self, write, text):
        with pytest.raises(ValueError, match="is empty: give it a header and rows"):
            read_table(write(text))

    def test_a_table_without_a_header_has_numbered_columns(self, write, ending):
        table = read_table(write(plain([["a", 1], ["b", 2]], ending), ending), header=False)
        assert table[0].tolist() == ["a", "b"]
        with pytest.raises(ValueError, match="1 rows have other than 2 cells: row 2 has 1"):
            read_table(write(plain([["a", 1], ["b"]], ending), ending), header=False)


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
    def test_text_with_a_mark_is_read(self, write, ending, encoding):
        text = plain([HEAD, [0, 1, "für"], [1, 1, "嗯"]], ending)
        table = read_table(write(text, ending, encoding))
        assert table.columns.tolist() == HEAD
        assert table["word"].tolist() == ["für", "嗯"]

    @pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
    def test_latin_1_is_refused_with_the_remedy(self, write, ending, encoding):
        text = plain([HEAD, [0, 1, "für"]], ending)
        with pytest.raises(ValueError, match=r"is not UTF-8 .byte \d+.*iconv -f LATIN1 -t UTF-8 a"):
            read_table(write(text, ending, encoding))

    @pytest.mark.parametrize("order", ["LE", "BE"])
    def test_utf_16_without_a_mark_is_named(self, write, ending, order):
        text = plain([HEAD, [0, 1, "a"]], ending)
        with pytest.raises(ValueError, match=f"UTF-16 without a mark.*iconv -f UTF-16{order} "):
            read_table(write(text, ending, f"utf-16-{order.lower()}"))


MISSING = ["n/a", "N/A", "NaN", "nan", "NA", "", " ", "None"]


class TestNumbers:
    @pytest.mark.parametrize("cell", MISSING)
    def test_missing_numbers_of_confounds_are_nan(self, write, ending, cell):
        rows = [["x", "y"], [cell, 1], ["2.5", cell], ["-1e-3", "+.5"]]
        table = numeric_table(write(plain(rows, ending), ending))
        expected = np.array([[np.nan, 1], [2.5, np.nan], [-1e-3, 0.5]])
        np.testing.assert_array_equal(table.to_numpy(), expected)
        assert (table.dtypes == np.float64).all()

    @pytest.mark.parametrize("cell", ["abc", "1_000", "1.2.3", "inf", "-inf", "0x1F", "1 2", "-"])
    def test_other_text_is_named_with_its_column_and_row(self, write, cell):
        rows = [["x", "y"], [1, 2], [3, cell], [5, cell]]
        told = f"column 'y': 2 rows hold no number, the first is row 2 ({cell!r}): give a number"
        with pytest.raises(ValueError, match=re.escape(told)):
            numeric_table(write(plain(rows, ".tsv"), ".tsv"))

    def test_a_decimal_comma_is_named(self, write):
        with pytest.raises(
            ValueError, match="column 'x': 1 rows.*'0,5'.: write decimals with a point, 0.5"
        ):
            numeric_table(write("x\ty\n1\t2\n0,5\t3\n", ".tsv"))
        with pytest.raises(ValueError, match=r"row 1 .line 2. has 3.*write decimals with a point"):
            numeric_table(write("x,y\n0,5,3\n"))

    def test_an_index_without_a_name_is_no_confound(self, write):
        frame = pd.DataFrame({"x": [1.0, 2.0]})
        with pytest.raises(ValueError, match="column 1 has no name: .*index=False"):
            numeric_table(write(frame.to_csv()))

    def test_the_numbers_of_some_rows_keep_the_rows_of_the_file(self, write):
        path = write("x,y\n1,a\n,b\n3,c\nz,d\n")
        table = read_table(path)
        assert numbers(table[::2], ["x"], path)["x"].tolist() == [1, 3]
        with pytest.raises(ValueError, match=r"'x': 1 rows have no number, the first is row 2 .''"):
            numbers(table[:3], ["x"], path)
        with pytest.raises(
            ValueError, match=r"'x': 1 rows hold no number, the first is row 4 .'z'"
        ):
            numbers(table[2:], ["x"], path, missing=True)

    def test_every_column_is_told_at_once(self, write):
        path = write("x,y\na,n/a\n1,b\n")
        with pytest.raises(ValueError, match="has 3 mistakes") as raised:
            numbers(read_table(path), ["x", "y"], path)
        for told in ("'x': 1 rows hold", "'y': 1 rows hold no number, the first is row 2 ('b')",
                     "'y': 1 rows have no number, the first is row 1 ('n/a')"):  # fmt: skip
            assert told in str(raised.value)


class TestLabels:
    def test_marks_are_left_out_as_in_a_textgrid(self, write, ending):
        labels = ["the", "sp", "{NS}", "<p:>", "", "n/a", ".", "fox", "sp", "<unk>"]
        rows = [HEAD, *([k / 2, 0.5, label] for k, label in enumerate(labels))]
        table = read_labels(write(plain(rows, ending), ending), "word")
        assert table["word"].tolist() == ["the", "fox", "<unk>"]
        assert table["onset"].tolist() == [0, 3.5, 4.5]
        counted = {"sp": 2, "{NS}": 1, "<p:>": 1, "": 1, "n/a": 1, ".": 1}
        assert table.attrs["left_out"] == counted

    @pytest.mark.parametrize(
        ("silence", "kept"),
        [((), ["the", "SP", "um"]), ({"um"}, ["the", "SP"]), (SILENCE | {"um"}, ["the"]),
         (None, ["the", "um"])],
    )  # fmt: skip
    def test_silence_is_what_is_given(self, write, silence, kept):
        rows = [HEAD, [0, 1, "the"], [1, 1, "SP"], [2, 1, "um"]]
        path = write(plain(rows, ".csv"))
        assert read_labels(path, "word", silence=silence)["word"].tolist() == kept

    def test_marks_need_no_times_and_words_do(self, write, ending):
        rows = [HEAD, ["n/a", "n/a", "sp"], [1, 1, "a"], ["", "", ""], ["n/a", 1, "b"]]
        with pytest.raises(
            ValueError, match="column 'onset': 1 rows have no number, .* row 4 .'n/a'"
        ):
            read_labels(write(plain(rows, ending), ending), "word")
        assert len(read_labels(write(plain(rows[:-1], ending), ending), "word")) == 1

    def test_a_word_of_no_length_is_kept(self, write):
        rows = [["word", "onset", "end"], ["a", 0, 0.5], ["b", 0.5, 0.5], ["c", 1, 0.9999]]
        table = read_labels(write(plain(rows, ".csv")), "word", offset="end")
        assert table["duration"].tolist() == [0.5, 0, 0]
        rows[3][2] = 0.9
        with pytest.raises(ValueError, match=r"1 rows end before they begin.* row 3 .'c'"):
            read_labels(write(plain(rows, ".csv")), "word", offset="end")

    @pytest.mark.parametrize(
        ("names", "asked", "close"),
        [
            (["Onset", "duration", "word"], {}, "unknown column 'onset': did you mean 'Onset'"),
            (["onset", " duration", "word"], {}, "did you mean ' duration'"),
            (["onset", "duration", "Word"], {}, "unknown column 'word': did you mean 'Word'"),
            (["onset", "duration", "word"], {"label": "words"}, "did you mean 'word'"),
            (["onset", "duration", "word"], {"offset": "end"}, "unknown column 'end'"),
        ],
    )
    def test_a_column_that_lacks_is_answered_with_the_close_one(self, write, names, asked, close):
        path = write(plain([names, [0, 1, "a"]], ".tsv"), ".tsv")
        with pytest.raises(ValueError, match=f"{close}.*or name them by label=, onset=, duration="):
            read_labels(path, "word", **asked)

    def test_columns_of_ones_own_are_read(self, write):
        text = "phone,word,start,stop\nAH0,a,0.5,0.75\nSIL,,1,2\nT,b,2,2.5\n"
        table = read_labels(write(text), "phone", onset="start", offset="stop")
        assert table.to_dict("list") == {
            "phone": ["AH0", "T"], "onset": [0.5, 2.0], "duration": [0.25, 0.5]
        }  # fmt: skip
        other = read_labels(write(text), "word", label="phone", onset="start", offset="stop")
        assert other["word"].tolist() == ["AH0", "T"]
