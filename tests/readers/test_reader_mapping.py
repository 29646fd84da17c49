"""Mapping files: names, units, facts about tasks, and what is wrong with them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from flpjax.errors import InputError
from flpjax.readers.read import read_runs
from flpjax.readers.units import unit_of

THEIRS = pl.DataFrame(
    {
        "name": ["a", "b"],
        "N (B)": [0.03, 0.07],
        "seen": [600.0, 1400.0],
        "Gflops": [1.25e8, 6.0e8],
        "val_bits": [5.0, 4.0],
        "web": [75.0, 25.0],
        "code": [25.0, 75.0],
        "mmlu acc": [26.0, 31.0],
        "mmlu se": [1.0, 2.0],
        "core": [0.5, 0.25],
    }
)
TOML = """
[table]
final_average = 3

[columns]
run = "name"
params = { column = "N (B)", unit = "Bparams" }
tokens = { column = "seen", unit = "mtokens" }
flops = { column = "Gflops", unit = "GFLOPs" }
"loss/c4" = { column = "val_bits", unit = "bits" }
"score/mmlu" = "mmlu acc"
"stderr/mmlu" = "mmlu se"
"score/core" = "core"
"mix/web" = { column = "web", unit = "percent" }
"mix/code" = { column = "code", unit = "percent" }

[tasks.mmlu]
scale = "points"
chance = 20
questions = 14042
"""


def test_a_mapping_renames_converts_and_states_facts(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text(TOML, encoding="utf-8")
    runs = read_runs(THEIRS, path)
    np.testing.assert_allclose(runs.params, [3e7, 7e7], rtol=1e-15)
    np.testing.assert_allclose(runs.tokens, [6e8, 1.4e9], rtol=1e-15)
    np.testing.assert_allclose(runs.flops, [1.25e17, 6e17], rtol=1e-15)
    np.testing.assert_allclose(runs.loss_of("c4"), [5 * math.log(2), 4 * math.log(2)], rtol=1e-15)
    np.testing.assert_allclose(runs.score_of("mmlu"), [0.26, 0.31], rtol=1e-15)
    np.testing.assert_allclose(runs.stderr[:, 0], [0.01, 0.02], rtol=1e-15)
    np.testing.assert_allclose(runs.score_of("core"), [0.5, 0.25], rtol=1e-15)
    np.testing.assert_allclose(runs.mix, [[0.75, 0.25], [0.25, 0.75]], rtol=1e-15)
    mmlu, core = runs.tasks
    assert (mmlu.chance, mmlu.questions, mmlu.chance_known) == (0.2, 14042, True)
    assert (core.chance, core.chance_known) == (0.0, False)
    assert runs.final_average == 3


def test_questions_alone_leave_the_known_chance_level() -> None:
    frame = {"run": ["a"], "params": [1], "tokens": [1], "score/piqa": [0.6]}
    (task,) = read_runs(pl.DataFrame(frame), {"tasks": {"piqa": {"questions": 1838}}}).tasks
    assert (task.chance, task.questions, task.chance_known) == (0.5, 1838, True)


@pytest.mark.parametrize(
    ("column", "unit", "factor"),
    [
        ("flops", "FLOPs", 1.0),
        ("flops", "GFLOPs", 1e9),
        ("flops", "pflops", 1e15),
        ("flops", "EFLOPs", 1e18),
        ("flops", "PFLOP/s-days", 8.64e19),
        ("tokens", "Ttokens", 1e12),
        ("params", "Mparams", 1e6),
        ("train_loss", "bits", math.log(2)),
        ("loss/x", None, 1.0),
    ],
)
def test_units(column: str, unit: str | None, factor: float) -> None:
    found = unit_of(column, unit, "here")
    assert (1.0 if found is None else found.factor) == pytest.approx(factor, rel=1e-15)


def test_blank_losses_that_are_allowed() -> None:
    frame = pl.DataFrame(
        {"run": ["a", "b"], "params": [1, 2], "tokens": [1, 2], "loss/x": [1.0, None], "loss/y": [1, 1]}
    )
    for allow in (True, ["loss/x"]):
        runs = read_runs(frame, {"table": {"allow_missing": allow}})
        np.testing.assert_array_equal(runs.loss_of("x"), [1.0, np.nan])
    with pytest.raises(InputError, match=r"row 2, column 'loss/x': the loss is blank"):
        read_runs(frame, {"table": {"allow_missing": ["loss/y"]}})


def test_a_mapped_column_stands_in_messages_as_the_file_has_it() -> None:
    frame = pl.DataFrame({"run": ["a", "b"], "N": [1, 0], "tokens": [1, 2], "loss/x": [1.0, 2.0]})
    with pytest.raises(InputError, match=r"row 2, column 'N' \(params\): got 0"):
        read_runs(frame, {"columns": {"params": "N"}})


def test_the_mapping_wins_over_a_canonical_name_and_ignore_quiets_a_near_miss() -> None:
    frame = pl.DataFrame({"run": ["a"], "params": [9], "N": [5], "tokens": [1], "loss/x": [1.0], "losses/y": [7]})
    runs = read_runs(frame, {"columns": {"params": "N"}, "table": {"ignore": ["losses/*"]}})
    assert runs.params.tolist() == [5.0]
    assert runs.domains == ("x",)
    assert runs.notes[0] == "ignored 2 columns: params, losses/y"


# Each: what is added to a good mapping → pieces of the message.
BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown section": ({"tabel": {}}, ["no key 'tabel'", "'table'"]),
    "unknown key": ({"table": {"final_avrage": 1}}, ["[table]", "no key 'final_avrage'", "'final_average'"]),
    "unknown key of a column": ({"columns": {"flops": {"column": "x", "unt": "GFLOPs"}}}, ["columns.flops", "'unit'"]),
    "unknown key of a task": ({"tasks": {"t": {"chanse": 0.1}}}, ["tasks.t", "'chance'"]),
    "no column": ({"columns": {"flops": {"unit": "GFLOPs"}}}, ["columns.flops", "'column' is missing"]),
    "wrong type": ({"table": {"final_average": "five"}}, ["table.final_average", "'five'", "integer"]),
    "wrong kind of list": ({"table": {"allow_missing": "loss/x"}}, ["key 'table.allow_missing'", "'loss/x'"]),
    "zero average": ({"table": {"final_average": 0}}, ["table.final_average", "greater than or equal to 1"]),
    "canonical name misspelt": ({"columns": {"flop": "x"}}, ["'flop'", "Did you mean 'flops'?"]),
    "no canonical name": ({"columns": {"colour": "x"}}, ["'colour'", "loss/…"]),
    "column not there": ({"columns": {"flops": "Loss/x"}}, ["no column 'Loss/x'", "'flops'", "Did you mean 'loss/x'?"]),
    "unknown unit": ({"columns": {"tokens": {"column": "tokens", "unit": "Btoken"}}}, ["'Btoken'", "'Btokens'?"]),
    "unit of another kind": ({"columns": {"loss/x": {"column": "loss/x", "unit": "GFLOPs"}}}, ["nats, bits"]),
    "unit of a score": ({"columns": {"score/t": {"column": "score/t", "unit": "%"}}},
        ['scale = "points"', "[tasks.t]"]),
    "unit of a step": ({"columns": {"step": {"column": "tokens", "unit": "K"}}}, ["'step' has no unit"]),
    "scale": ({"tasks": {"t": {"scale": "percent"}}}, ["tasks.t.scale", "'fraction', 'points' or 'centred'"]),
    "task not there": ({"tasks": {"tt": {"chance": 0.1}}}, ["no column 'score/tt'", "Did you mean 't'?"]),
    "chance in points": ({"tasks": {"t": {"chance": 25}}}, ["chance = 25", "Write 0.25"]),
    "chance as a fraction": ({"tasks": {"t": {"chance": 0.25, "scale": "points"}}}, ["chance = 0.25", "Write 25"]),
    "chance of one": ({"tasks": {"t": {"chance": 100, "scale": "points"}}}, ["chance = 100", "best score"]),
    "fractions as points": ({"tasks": {"t": {"chance": 25, "scale": "points"}}},
        ["row 2, column 'score/t'", "like fractions"]),
    "loss not there": ({"table": {"allow_missing": ["loss/y"]}}, ["no column 'loss/y'", "allow_missing"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_message_of_a_bad_mapping(case: str) -> None:
    content, pieces = BAD[case]
    frame = {"run": ["a", "b"], "params": [1, 2], "tokens": [1, 2], "loss/x": [1.0, 2.0], "score/t": [0.3, 0.4]}
    with pytest.raises(InputError, match=r"mapping|table") as caught:
        read_runs(pl.DataFrame(frame), content)
    for piece in pieces:
        assert piece in str(caught.value)


def test_files_that_are_no_mapping(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text("loss/c4 = 1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"map\.toml: this is no valid TOML: .*line 1.*in quotes"):
        read_runs(THEIRS, str(tmp_path / "map.toml"))
    with pytest.raises(InputError, match=r"mapp\.toml: there is no such file\. Did you mean '.*map\.toml'"):
        read_runs(THEIRS, tmp_path / "mapp.toml")
    with pytest.raises(InputError, match=r"olmo-ladder: a ladder by name takes no mapping"):
        read_runs("olmo-ladder", {})


def test_points_out_of_range_are_shown_in_points() -> None:
    frame = pl.DataFrame({"run": ["a", "b"], "params": [1, 2], "tokens": [1, 2], "score/t": [30.0, 101.0]})
    with pytest.raises(InputError, match=r"row 2, column 'score/t': got 101, but it must be in points"):
        read_runs(frame, {"tasks": {"t": {"scale": "points"}}})


BROKEN = {
    "an integer of 5,000 digits": ("[table]\nfinal_average = " + "1" * 5000, "no valid TOML: a number is too long"),
    "deep lists": ("x = " + "[" * 5000 + "]" * 5000, "brackets are nested too deeply"),
    "deep tables": ("x = " + "{a=" * 5000 + "1" + "}" * 5000, "brackets are nested too deeply"),
    "a deep name": ("x = 1\n" + ".".join("a" * 50_000) + " = 1", r"m\.toml, line 2: a name has too many parts"),
    "a date": (
        "[table]\nfinal_average = 2024-01-01",
        r"key 'table\.final_average': the value should be a valid int",
    ),
    "infinity": ("[tasks.mmlu]\nchance = inf", r"key 'tasks\.mmlu\.chance': the value inf should be a finite number"),
    "too many": ("[tasks.mmlu]\nquestions = 9999999999999999999999", r"questions': the value 9+ should be less than"),
    "a long key": (f"'{'x' * 100_000}' = 1", "there is no key 'x+…x+'"),
    "a long value": (f"[columns]\nrun = '{'x' * 100_000}'", "has no column 'x+…x+'"),
    "a huge file": ("#" * 3_000_000, "a mapping file has at most 2,097,152 bytes"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_mappings(kind: str, tmp_path: Path) -> None:
    text, message = BROKEN[kind]
    (tmp_path / "m.toml").write_text(text)
    frame = pl.DataFrame({"run": ["a"], "params": [1.0], "tokens": [1.0], "loss/c4": [1.0]})
    with pytest.raises(InputError, match=message) as caught:
        read_runs(frame, tmp_path / "m.toml")
    assert len(str(caught.value)) < 500
