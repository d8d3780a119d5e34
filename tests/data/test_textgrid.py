import pytest

from encodekit.data import read_textgrid

LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2
tiers? <exists>
size = 1
item []:
    item [1]:
        class = "IntervalTier"
        name = "word"
        xmin = 0
        xmax = 2
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = "a"
        intervals [2]:
            xmin = 0.5
            xmax = 1
            text = "für ""b"""
        intervals [3]:
            xmin = 1
            xmax = 2
            text = "sp"
'''
SHORT = '''File type = "ooTextFile short"
"TextGrid"

0
2
<exists>
2
"IntervalTier"
"word"
0
2
3
0
0.5
"a"
0.5
1
"für ""b"""
1
2
"sp"
"TextTier"
"clicks"
0
2
1
0.7
"click"
'''


@pytest.fixture
def grid(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "a.TextGrid"
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.mark.parametrize("text", [LONG, SHORT])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_both_formats_are_read_in_every_encoding_of_praat(grid, text, encoding):
    words = read_textgrid(grid(text, encoding), tier="word")
    assert words["word"].str.replace('""', '"').tolist() == ["a", 'für "b"']
    assert words["onset"].tolist() == [0, 0.5]
    assert words["duration"].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("text", "old", "new", "message"),
    [
        (LONG, "size = 3", "size = 2", "tier 1 states 2 intervals but holds 3"),
        (LONG, "size = 3", "size = 4", "tier 1 states 4 intervals but holds 3"),
        (LONG, "size = 1", "size = 2", "it states 2 tiers but holds 1"),
        (LONG, "size = 1\n", "", "it states no number of tiers but holds 1"),
        (SHORT, "\n2\n3\n0\n", "\n2\n2\n0\n", "tier 1 states 2 intervals but holds 3"),
        (SHORT, "<exists>\n2", "<exists>\n1", "it states 1 tiers but holds 2"),
        (SHORT, '1\n2\n"sp"\n', "", "tier 1 states 3 intervals but holds 2"),
        (LONG, '"TextGrid"', '"Pitch"', "it does not begin as a TextGrid does"),
        (LONG, "xmax = 0.5", "xmax = x.5", "interval 1 cannot be read.*save it with Praat"),
    ],
)
def test_what_a_parser_would_pass_over_is_named(grid, text, old, new, message):
    assert old in text
    with pytest.raises(ValueError, match=message):
        read_textgrid(grid(text.replace(old, new, 1)), tier="word")


@pytest.mark.parametrize("text", [LONG, SHORT])
def test_no_cut_gives_a_shorter_table(grid, text):
    for end in range(60, len(text) - 6, 7):
        with pytest.raises(ValueError, match="a.TextGrid"):
            read_textgrid(grid(text[:end]), tier="word")


def test_another_encoding_is_named_with_the_command_that_converts(grid):
    with pytest.raises(ValueError, match=r"is not UTF-8 .byte 4\d\d.: convert it.*iconv -f LATIN1"):
        read_textgrid(grid(LONG, "latin-1"))


def test_a_tier_of_points_is_no_tier_of_words(grid):
    with pytest.raises(ValueError, match="tier 'clicks' holds points, expected intervals"):
        read_textgrid(grid(SHORT), tier="clicks")
