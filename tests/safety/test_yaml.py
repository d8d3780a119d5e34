"""Experiment files of any bytes are answered by one ExperimentError, quickly, in little memory."""

import resource
import time

import pytest
import yaml

from encodekit.experiments import ExperimentError, read_experiment
from encodekit.experiments._yaml import Located, parse_value
from encodekit.plugins import registry

WHOLE = """
title: words
study: {name: simulated, n_stories: 3}
split: {train: [story-01], fit: [story-02], test: [story-03]}
models:
  words: {features: {name: word-rate}, tune: {on: train}}
regressor: {name: ridge}
""".lstrip()
SECONDS = 5.0
MEGABYTES = 300


def laughs(*, mapping):
    """Return ten anchors of which each has nine of the one before."""
    lines = ["a0: &a0 {x: 1}" if mapping else "a0: &a0 [x]"]
    for k in range(9):
        inside = ", ".join([f"*a{k}"] * 9)
        value = f"{{<<: [{inside}]}}" if mapping else f"[{inside}]"
        lines.append(f"a{k + 1}: &a{k + 1} {value}")
    return "\n".join(lines)


LONG = "x" * 9_000
# Each with a part of the message, and the line that it names.
FATAL = {
    "alias bomb": (laughs(mapping=False), "more than 20,000 values", 6),
    "bomb of merges": (laughs(mapping=True), "more than 20,000 values", 5),
    "bomb of one long text": (
        f"a: &a {LONG}\nb: [{','.join(['*a'] * 9_000)}]",
        "1,000,000 characters",
        2,
    ),
    "aliases nested ever deeper": (
        "a0: &a0 [x]\n" + "\n".join(f"a{k + 1}: &a{k + 1} [*a{k}]" for k in range(3000)),
        "more than 50 deep",
        49,
    ),
    "250,000 items": (f"a: [{'1,' * 250_000}]", "more than 20,000 values", 1),
    "list in itself": ("study: &a [*a]", r"\*a stands in what it stands for", 1),
    "mapping in itself": ("study:\n  &a {b: {c: *a}}", r"\*a stands in", 2),
    "merge of itself": ("study: &a {<<: *a}", r"\*a stands in", 1),
    "3,000 brackets": ("study: " + "[" * 3000 + "]" * 3000, "more than 50 deep", 1),
    "300,000 dashes": ("- " * 300_000, "more than 50 deep", 1),
    "300,000 braces": ("a: \n b: " + "{a: " * 200_000, "more than 50 deep", 2),
    "1,200 blocks": ("".join(" " * k + "a:\n" for k in range(1200)), "more than 50 deep", 50),
    "list as a key": ("a: 1\n? [a, b]\n: c", "a key is a list, expected a text", 2),
    "mapping as a key": ("{{a: b}: c}", "a key is a mapping", 1),
    "a call": ("a: 1\nb: !!python/object/apply:os.system [x]", "the tag '!!python/object", 2),
    "a name": ("study: !!python/name:os.system", "the tag '!!python/name", 1),
    "own tag": ("study: !evil x", "the tag '!evil' is not one", 1),
    "whole tag": ("study: !<tag:evil> {a: b}", "the tag 'tag:evil'", 1),
    "tag of another kind": ("study: !!int [1]", "the tag '!!int'", 1),
    "set": ("study: !!set {a, b}", "the tag '!!set'", 1),
    "pairs": ("study: !!omap [a: b]", "the tag '!!omap'", 1),
    "bytes": ("seed: !!binary '@@@'", "the tag '!!binary'", 1),
    "date": ("seed: !!timestamp 2020-01-01", "the tag '!!timestamp'", 1),
    "no int": ("seed: !!int abc", "'abc' is not a number", 1),
    "no float": ("seed: !!float x", "'x' is not a number", 1),
    "no bool": ("seed: !!bool maybe", "'maybe' is not true or false", 1),
    "no null": ("seed: !!null x", "'x' is not null", 1),
    "5,000 digits": ("seed: " + "9" * 5000, "more than 18 digits", 1),
    "too large": ("title: x\nseed: 1e999", "beyond what a computer holds", 2),
    "too small": ("seed: 1e-999", "beyond what a computer holds", 1),
    "bad merge": ("<<: 3", "<< takes a mapping", 1),
    "two documents": ("a: 1\n---\nb: 2", "expected a single document", 2),
    "tab": ("study:\n\tpath: x", "it is no YAML", 2),
    "alias of nothing": ("a: 1\nb: *c", "undefined alias 'c'", 2),
    "anchor twice": ("a: &a 1\nb: &a 2", "duplicate anchor", 2),
    "no such version": ("%YAML " + "9" * 5000 + ".1\n---\na: 1", "it is no YAML", 1),
    "no such character": ('a: "\\UFFFFFFFF"', "it is no YAML", 1),
    "lone surrogate": ('title: "\\uD800"', r"U\+D800", 1),
    "escaped NUL": ('a: b\ntitle: "\\0"', r"U\+0000", 2),
    "long key": ("? " + "k" * 900_000 + "\n: 1", "a key has 900000 characters", 1),
    "long value": ("title: " + "v" * 900_000, "a value has 900000 characters", 1),
    "long tag": ("a: !" + "t" * 900_000 + " x", "the tag", 1),
    "NUL": (b"a: b\ntitle: a\x00b", r"U\+0000", 2),
    "latin-1": (b"a: b\n\ntitle: caf\xe9", "0xe9 is no UTF-8 text: save the file as UTF-8", 3),
    "UTF-16": ("title: a".encode("utf-16"), "it is UTF-16 text: save it as UTF-8", 1),
    "UTF-16 without a mark": ("title: a".encode("utf-16-le"), r"U\+0000", 1),
    "UTF-32": ("title: a".encode("utf-32"), "it is UTF-32 text", 1),
    "escape sequence": (b"title: \x1b[31m", r"U\+001B", 1),
    "1 MB": (b"k" * 1_000_000 + b": 1", "more than 1,000,000 bytes", None),
}


# Words where YAML 1.1 had numbers, dates and booleans.
WORDS = ["on", "off", "yes", "no", "y", "n", "On", "NO", "190:20:30", "010", "0x1F", "0o7", "1_000",
         "2020-01-01", "-", "=", "+1e", ".e1", "1.2.3"]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def loaded():
    registry()  # the first call imports the plugins


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "asked.yaml"
    path.write_text(WHOLE)
    return path


def refusal(file, given, changes=()):
    """Return the message; reading took little time and memory."""
    file.write_bytes(given if isinstance(given, bytes) else given.encode())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    with pytest.raises(ExperimentError) as caught:
        read_experiment(file, changes)
    assert time.process_time() - began < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024
    assert len(str(caught.value)) < 20_000
    return str(caught.value)


class TestWhatNoFileMayHold:
    @pytest.mark.parametrize("name", FATAL)
    def test_is_told_with_file_and_line(self, file, name):
        given, told, line = FATAL[name]
        message = refusal(file, given)
        assert message.startswith(f"{file} has 1 mistake:\n")
        with pytest.raises(ValueError, match=told):
            raise ValueError(message)
        assert line is None or f"line {line}: " in message

    @pytest.mark.parametrize("name", ["alias bomb", "3,000 brackets", "no int", "list in itself"])
    def test_is_told_of_a_value_that_is_set_over_the_file(self, file, name):
        given, told, _ = FATAL[name]
        value = "{" + ", ".join(given.splitlines()) + "}"
        with pytest.raises(ExperimentError, match=told):
            read_experiment(file, [f"study={value}"])

    @pytest.mark.parametrize(
        "value", ["\udce9", "\x00", "'", "[1", "!!python/name:os.system", "{1: 2}"]
    )
    def test_is_told_of_other_values_of_a_command_line(self, file, value):
        with pytest.raises(ExperimentError, match="--set title=") as caught:
            read_experiment(file, [f"title={value}"])
        str(caught.value).encode()

    def test_many_mistakes_are_counted_and_the_first_are_shown(self, file):
        message = refusal(file, "models:\n" + "".join(f"  {k}: 1\n" for k in range(9000)))
        assert "9002 mistakes" in message
        assert "... and 8902 more" in message

    @pytest.mark.parametrize(
        ("key", "kind"),
        [("1", "a number"), ("~", "null"), (".nan", "a number"), ("true", "true or false"),
         ("!!int 5", "a number")],
    )  # fmt: skip
    def test_a_key_that_is_no_text_is_one_of_all_mistakes(self, file, key, kind):
        message = refusal(file, f"title: 3\n{key}: 2\n")
        assert "line 2: the key " in message
        assert f"is {kind}, expected a text: put it in quotes" in message
        assert "line 1: title is 3, expected a text" in message

    @pytest.mark.parametrize("given", ["", "# nothing", "---\n...\n", "- a", "a", "\n" * 900_000])
    def test_no_mapping_is_told(self, file, given):
        assert f"{file} holds no mapping" in refusal(file, given)

    def test_a_key_or_merge_that_comes_twice_is_told_with_its_line(self, file):
        message = refusal(file, "<<: {title: a}\n<<: {title: b}\nseed: 1\nseed: 2\n")
        assert "line 2: '<<' comes twice" in message
        assert "line 4: 'seed' comes twice" in message

    def test_a_file_without_an_end_is_not_read_to_it(self):
        with pytest.raises(ExperimentError, match="more than 1,000,000 bytes"):
            read_experiment("/dev/zero")


class TestWhatAFileMayHold:
    def test_what_features_are_tuned_on_is_written_as_documented(self, file):
        assert read_experiment(file).content["models"]["words"]["tune"]["on"] == "train"
        content = read_experiment(file, ["models.words.tune.on=fit", "title=no"]).content
        assert content["models"]["words"]["tune"]["on"] == "fit"
        assert content["title"] == "no"

    @pytest.mark.parametrize("word", WORDS)
    def test_words_stay_words(self, word):
        assert Located(f"{word}: {word}" if word != "-" else "'-': '-'").content == {word: word}

    @pytest.mark.parametrize(
        ("text", "value"),
        [("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("12", 12),
         ("-3", -3), ("1e-3", 1e-3), ("1.", 1.0), (".5", 0.5), ("+.inf", float("inf")),
         ("-.INF", -float("inf")), ("0.0e5", 0.0), ("!!str 12", "12"), ("!!float 3", 3.0),
         ("!!int '7'", 7), ("'true'", "true"), ("|\n 12\n", "12\n")],
    )  # fmt: skip
    def test_values_are_those_of_yaml_1_2(self, text, value):
        found = parse_value(text)
        assert found == value
        assert type(found) is type(value)

    def test_anchors_aliases_and_merges_of_a_reasonable_size_work(self):
        text = """
            base: &base {batch: 8, rate: 1e-3, update: {name: lora}}
            more: &more {rate: 2e-3, epochs: 3}
            a: {<<: *base, batch: 4}
            b: {<<: [*base, *more]}
            c: &all [*base, *base]
            d: [*all, *all]
        """
        assert Located(text).content == yaml.safe_load(text.replace("e-3", ".0e-3"))

    def test_what_an_alias_stands_for_is_a_value_of_its_own(self):
        content = Located("a: &a {name: x}\nb: *a\nc: {<<: *a}").content
        content["a"]["name"] = "y"
        assert content["b"] == content["c"] == {"name": "x"}

    def test_a_long_study_is_no_bomb(self):
        names = [f"story-{k:04}" for k in range(5_000)]
        assert Located(f"split: {{fit: [{', '.join(names)}]}}").content["split"]["fit"] == names

    def test_text_is_utf_8_with_or_without_a_mark(self):
        text = "title: caf\u00e9 \U0001f600"
        assert Located(text.encode()).content == Located(text.encode("utf-8-sig")).content
        assert Located(text.encode()).content == {"title": "caf\u00e9 \U0001f600"}

    def test_lines_are_those_of_the_file_behind_merges(self, file):
        located = Located("a: &a\n  x: 1\n  y: 2\nb:\n  <<: *a\n  y: 3\n")
        assert located.line(("b", "y")) == 6
        assert located.line(("b", "x")) == 2
        assert located.line(("b", "z")) == 4
