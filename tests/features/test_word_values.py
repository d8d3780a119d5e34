import numpy as np
import pandas as pd
import pytest

import encodekit as ek
from encodekit.data import Stimulus


def story(**columns):
    words = pd.DataFrame(
        {"word": ["a", "b", "c"], "onset": [0.5, 3.0, 3.5], "duration": [0.2, 0.2, 0.2], **columns}
    )
    return Stimulus("story", words=words, t_r=2.0, duration=8.0)


KNOWN = {"surprisal": [2.0, 1.0, 3.0], "frequency": [-1.0, 0.5, 0.25]}


def test_values_are_impulses_at_the_onsets():
    rows = ek.WordValues(["surprisal", "frequency"], resample="sum").transform([story(**KNOWN)])
    assert rows.coords["name"].values.tolist() == ["surprisal", "frequency"]
    np.testing.assert_allclose(rows, [[2, -1], [4, 0.75], [0, 0], [0, 0]])


def test_a_column_of_ones_is_the_word_rate():
    stories = [story(one=[1.0, 1.0, 1.0])]
    rate, values = (make.fit_transform(stories) for make in (ek.WordRate(), ek.WordValues("one")))
    np.testing.assert_array_equal(rate.values, values.values)


@pytest.mark.parametrize(("missing", "filled"), [("zero", 0.0), ("mean", 2.5)])
def test_words_without_a_value_are_filled_as_asked(missing, filled):
    stories = [story(surprisal=[2.0, np.nan, 3.0])]
    rows = ek.WordValues("surprisal", missing=missing, resample="sum").transform(stories)
    np.testing.assert_allclose(rows.values[:2, 0], [2.0, filled + 3.0])


@pytest.mark.parametrize(
    ("columns", "missing", "message"),
    [
        ({"surprisal": [2.0, np.nan, np.inf]}, "raise",
         r"column 'surprisal' has no value for 2 of 3 words, the first is 'b' at 3 s"),
        ({"surprisal": [np.nan] * 3}, "mean", "has no value for 3 of 3 words"),
        ({"suprisal": [1.0] * 3}, "raise", "unknown column of words 'surprisal': did you mean"),
        ({"surprisal": ["1", "2", "x"]}, "raise", "column 'surprisal' of words holds .*numbers"),
        ({"surprisal": [1.0] * 3}, "drop", "unknown missing 'drop'"),
    ],
)  # fmt: skip
def test_what_has_no_value_is_refused_by_name(columns, missing, message):
    with pytest.raises(ValueError, match=message):
        ek.WordValues("surprisal", missing=missing).transform([story(**columns)])


def test_a_stimulus_without_words_is_refused():
    silent = Stimulus("story", t_r=2.0, duration=8.0)
    with pytest.raises(ValueError, match="run 'story' has no words"):
        ek.WordValues("surprisal").transform([silent])


def test_other_values_are_another_content_and_not_found_in_the_cache(tmp_path):
    """The words are the same: a cache by their text and times would give the values of before."""
    one, two = story(surprisal=[2.0, 1.0, 3.0]), story(surprisal=[5.0, 5.0, 5.0])
    assert one.content_hash != two.content_hash
    assert one.audio_hash == two.audio_hash
    values = ek.WordValues("surprisal", cache=tmp_path, resample="sum")
    first, second = (values.transform([stimulus]).values for stimulus in (one, two))
    assert first.max() == 4.0
    assert second.max() == 10.0


def test_it_is_made_by_name():
    assert ek.make_features("word-values", columns="surprisal").columns == "surprisal"


def test_no_column_is_no_feature():
    with pytest.raises(ValueError, match="columns is empty: name columns of words"):
        ek.WordValues([]).transform([story(**KNOWN)])
