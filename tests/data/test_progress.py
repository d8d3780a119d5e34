import time

import pytest

from encodekit.data import progress


def test_no_bar_is_shown_for_what_is_quick(capfd):
    with progress("quick", 10.0) as tick:
        tick(10.0)
    assert capfd.readouterr().err == ""


def test_a_bar_is_shown_on_stderr_for_what_is_slow(capfd, monkeypatch):
    monkeypatch.setattr("encodekit.data._progress._PATIENCE", 0.01)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with progress("slow work", 10.0) as tick:
        tick(5.0)
        time.sleep(0.4)
    shown = capfd.readouterr()
    assert "slow work" in shown.err
    assert shown.out == ""


@pytest.mark.parametrize("forced", [None, "1"])
def test_nothing_is_written_where_no_bar_can_be_drawn(capfd, monkeypatch, forced):
    monkeypatch.setattr("encodekit.data._progress._PATIENCE", 0.01)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    if forced:
        monkeypatch.setenv("FORCE_COLOR", forced)
    with progress("slow work", 10.0) as tick:
        tick(5.0)
        time.sleep(0.2)
    assert capfd.readouterr() == ("", "")
