"""The fuzzer: inputs that it makes pass, faults that are planted are found, and it stays in its folder."""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fuzz import trial as fuzz_trial
from benchmarks.fuzz.__main__ import PASSED, figures
from benchmarks.fuzz.cases import KINDS, Case, case
from benchmarks.fuzz.columns import csv_of
from benchmarks.fuzz.reduced import reduced
from benchmarks.fuzz.sources import SOURCES, changed
from benchmarks.fuzz.tables import MAPPING, TABLES, Columns, mapped
from benchmarks.fuzz.trial import Outcome, built_once, trial
from flpjax.errors import InputError
from flpjax.readers.importing import import_runs

INPUTS = 120


@pytest.fixture(autouse=True)
def no_ladders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FLPJAX_DATA", str(tmp_path))
    with built_once():
        yield


def test_inputs_end_in_a_result_or_one_error(tmp_path: Path) -> None:
    outcomes = [trial(case(1, index, fits=False), tmp_path / "work") for index in range(INPUTS)]
    assert [o for o in outcomes if o.ended not in PASSED] == []
    kinds = Counter((o.kind, o.ended) for o in outcomes)
    assert all(kinds[kind, ended] for kind in KINDS for ended in PASSED), kinds


@pytest.mark.parametrize("make", [*TABLES, mapped])
def test_what_it_begins_with_is_a_result(make: Callable[[], Columns], tmp_path: Path) -> None:
    files = {"t.csv": csv_of(list(make().items()), None), "m.toml": MAPPING.encode()}
    args = ["check", "t.csv", *(["-m", "m.toml"] if make is mapped else [])]
    assert trial(Case(0, "csv", files, args), tmp_path / "work").ended == "result"
    assert "warning: column" not in (tmp_path / "stderr.txt").read_text()


def test_inputs_are_the_same_again_and_name_nothing_outside() -> None:
    for index in range(150):
        given = case(2, index)
        assert given == case(2, index)
        assert not any("/" in name or name.startswith(".") for name in given.files)
        for word in given.args:
            assert not word.startswith(("/", "~"))
            assert ".." not in word


MUTATIONS = {"lm-eval": 200, "wandb": 200}
"""Of each format, and 100 of the others; ``python -m benchmarks.fuzz --kinds …`` makes as many as one likes."""


@pytest.mark.parametrize("kind", SOURCES)
def test_what_it_begins_with_is_imported(kind: str, tmp_path: Path) -> None:
    if kind == "wandb-offline":
        pytest.importorskip("wandb")
    rest = {"olmix": {"tokens": 1e9}, "jsonl": {}}.get(kind, {"batch_tokens": 4096})
    made = import_runs(source(SOURCES[kind](), tmp_path), constants={"params": 1e8, **rest})
    assert made.format == {"wandb-panel": "wandb", "by-hand": "table"}.get(kind, kind)
    assert made.runs is not None


@pytest.mark.parametrize("kind", SOURCES)
def test_mutated_sources_are_imported_or_refused(kind: str, tmp_path: Path) -> None:
    if kind == "wandb-offline":
        pytest.importorskip("wandb")
    ends: Counter[str] = Counter()
    for i in range(MUTATIONS.get(kind, 100)):
        rng = random.Random(f"{kind}:{i}")
        folder = source(changed(SOURCES[kind](), rng), tmp_path / str(i))
        constants = {"params": 1e8, "tokens": 1e9} if i % 2 else {"params": 1e8}
        try:
            made = import_runs(folder, constants=constants)
            ends["template" if made.runs is None else "result"] += 1
            assert made.template
            if made.runs is not None:
                assert made.csv()
        except InputError:
            ends["refused"] += 1
    assert ends["refused"]
    assert ends["result"] + ends["template"]


def source(files: dict[str, bytes], folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("kind", ["join", "forecast", "log", "wandb"])
def test_other_inputs_end_in_a_result_or_one_error(kind: str, tmp_path: Path) -> None:
    outcomes = [trial(case(1, index, kinds=[kind]), tmp_path / "work") for index in range(30)]
    assert [o for o in outcomes if o.ended not in PASSED] == []
    assert {o.ended for o in outcomes} == set(PASSED)


def test_changed_laws_are_fitted_or_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most that lose nothing but their sense are fitted, to a table that has the columns they name."""
    monkeypatch.setattr("benchmarks.fuzz.laws.FITTED", 1.0)
    outcomes = [trial(case(18, index, kinds=["law"]), tmp_path / "work") for index in range(12)]
    assert [o for o in outcomes if o.ended not in PASSED] == []
    assert {o.ended for o in outcomes} == set(PASSED)


def planted(monkeypatch: pytest.MonkeyPatch, does: Any) -> Case:
    monkeypatch.setattr("flpjax.readers.read.read_runs", does)
    return case(3, next(i for i in range(99) if case(3, i).args == ["check", "t.csv"] and case(3, i).kind == "csv"))


def test_what_is_planted_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(does: Any) -> tuple[str, str]:
        outcome = trial(planted(monkeypatch, does), tmp_path / "work")
        return outcome.ended, outcome.group

    def hangs(*_: object) -> None:
        while True:
            pass

    def half(*_: object) -> None:
        Path("new.json").write_text("{")

    assert found(lambda *_: 1 / 0) == (
        "foreign exception",
        "ZeroDivisionError at test_fuzz.py:<lambda> <- steps.py:read",
    )
    assert found(lambda *_: sys.exit(3)) == ("no message", "exit code 3")
    warned = found(lambda *_: (os.write(2, b"a.py:1: RuntimeWarning: overflow\n"), sys.exit(0)))
    assert warned[0] == "words of another library"
    assert found(lambda *_: (half(), sys.exit(0))) == ("half-written output", "no JSON")
    assert found(lambda *_: (Path("t.csv").write_text(""), sys.exit(0))) == ("input replaced", "t.csv")
    monkeypatch.setattr(fuzz_trial, "LIMIT", 1.0)
    assert found(hangs)[0] == "hang"


def test_a_finding_is_made_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bad(*_: object) -> None:
        if "run 3" in Path("t.csv").read_text():
            raise KeyError
        sys.exit(0)

    monkeypatch.setattr("flpjax.readers.read.read_runs", bad)
    lines = [b"run,params\n", *(b"run %d,1\n" % i for i in range(9))]
    given = Case(0, "csv", {"t.csv": b"".join(lines)}, ["check", "t.csv", "--only", "x"])
    small = reduced(given, trial(given, tmp_path / "work"), tmp_path / "work")
    assert small.files == {"t.csv": b"run 3,1\n"}
    assert small.args == ["check", "t.csv"]


def test_findings_are_grouped_by_what_they_share() -> None:
    ends = ["result", "hang", "refused", "hang", "crash"]
    outcomes = [Outcome(i, "csv", end, "" if end in PASSED else "same", "why", 1.0) for i, end in enumerate(ends)]
    found = figures(outcomes, seed=0)
    assert [(f["ended"], f["count"], f["first"]) for f in found["findings"]] == [("hang", 2, 1), ("crash", 1, 4)]
    assert found["by_kind"] == {"csv": {"result": 1, "hang": 2, "refused": 1, "crash": 1}}
