"""Options: old ones warn; words that can't be read are not repeated at length, nor sent to the terminal as they are."""

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


@pytest.mark.parametrize(
    ("old", "new", "end"),
    [
        (["--fix", "code=nan"], "--fixed", "code"),
        (["--fix=code"], "--fixed", "'code' is not understood"),
        (["--worst", "--risk", "2"], "--over-tasks worst", "risk is 2"),
    ],
)
def test_an_old_option_is_heard_and_warns(
    old: list[str], new: str, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["mix", "ladder", "--flops", "1e17", *old])
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert f"{old[0].partition('=')[0]} is now {new}" in said
    assert end in said, "its value is read"
