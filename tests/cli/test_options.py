"""A command line that can't be read: its words are not repeated at length, nor sent to the terminal as they are."""

from __future__ import annotations

import pytest

from flpjax.cli.app import main

LONG = "x" * 100_000


@pytest.mark.parametrize(
    "args",
    [
        [LONG],
        ["check", "t.csv", f"--{LONG}"],
        ["check", "t.csv", LONG],
        ["forecast", "t.csv", "--draws", LONG],
        ["forecast", "t.csv", "--target", LONG],
        ["forecast", "t.csv", "--method", LONG],
        ["check", LONG],
        ["check", "t.csv", "--mapping", LONG],
        ["check", "t.csv", "--\x1b[2J\a"],
    ],
    ids=["command", "option", "argument", "number", "target", "method", "table", "mapping", "control characters"],
)
def test_what_is_typed_is_not_repeated_at_length(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(args)
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert 10 < len(said) < 2500
    assert "\x1b[2J" not in said
    assert "\a" not in said
