"""The command line, run in the tests' own process."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from flpjax.cli.app import main


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line; exit code, stdout, stderr. What it compiles is kept for the session."""
    monkeypatch.setenv("FLPJAX_CACHE", os.environ.get("FLPJAX_CACHE", str(tmp_path_factory.getbasetemp() / "compiled")))
    monkeypatch.setenv("MPLBACKEND", "Agg")

    def go(*args: object) -> tuple[int, str, str]:
        code = 0
        try:
            main([str(a) for a in args])
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return go
