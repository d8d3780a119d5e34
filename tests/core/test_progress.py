import time

import pytest

from encodekit.core import progress, tell


def test_no_bar_is_shown_for_what_is_quick(capfd):
    with progress("quick", 10.0) as tick:
        tick(10.0)
    assert capfd.readouterr().err == ""


def test_a_bar_is_shown_on_stderr_for_what_is_slow(capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with progress("slow work", 10.0, patience=0.01) as tick:
        tick(5.0)
        time.sleep(0.4)
    shown = capfd.readouterr()
    assert "slow work" in shown.err
    assert shown.out == ""


@pytest.mark.parametrize("forced", [None, "1"])
def test_nothing_is_written_where_no_bar_can_be_drawn(capfd, monkeypatch, forced):
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    if forced:
        monkeypatch.setenv("FORCE_COLOR", forced)
    with progress("slow work", 10.0, patience=0.01) as tick:
        tick(5.0)
        time.sleep(0.2)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("forced", [None, "1"])
def test_a_line_is_told_on_stderr_where_that_is_a_terminal(capfd, monkeypatch, forced):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    if forced:
        monkeypatch.setenv("FORCE_COLOR", forced)
    tell("r rose by [0.1]")
    shown = capfd.readouterr()
    assert shown.out == ""
    assert ("r rose by [0.1]" in shown.err) == bool(forced)
