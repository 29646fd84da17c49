"""Exports of W&B: histories, one table of many runs, panels, tables of runs, and folders that mix them."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from flpjax.errors import InputError
from flpjax.readers.importing import import_runs
from flpjax.readers.read import read_runs

SIZES = {"params": 1e8}


def write(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with file.open("w", newline="") as text:
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        writer.writerows(rows)
    return file


def history(steps: list[int], level: float = 3.0) -> list[dict[str, Any]]:
    """Training losses at every step, tokens and a loss at even ones, scores one step later."""
    rows: list[dict[str, Any]] = []
    for step in steps:
        rows.append({"_step": step, "train/loss": level - step / 1e4, "throughput/total_tokens": 1000 * step})
        if step % 200 == 0:
            rows[-1] |= {"eval/c4/loss": level + 0.1 - step / 1e4}
        if step % 200 == 0 and step:
            rows.append({"_step": step + 1, "lm_eval/piqa/acc": 0.5 + step / 1e5, "lm_eval/piqa/acc_norm": 0.6})
    return rows


def test_a_folder_of_histories(tmp_path: Path) -> None:
    """Scores are joined to losses logged a step before, the distance is printed, step 0 left out, Parquet as CSV."""
    write(tmp_path / "a.csv", history(list(range(0, 2001, 100))))
    write(tmp_path / "b.csv", history(list(range(0, 2001, 100)), 2.9))
    pl.read_csv(tmp_path / "b.csv", infer_schema_length=None).write_parquet(tmp_path / "b.parquet")
    (tmp_path / "b.csv").unlink()
    made = import_runs(tmp_path, constants=SIZES)
    runs = made.runs
    assert runs is not None
    assert made.format == "wandb"
    assert runs.names == ("a", "b")
    assert len(runs) == 20
    assert runs.step[:3].tolist() == [200, 400, 600]
    assert runs.tokens[:2].tolist() == [200_000, 400_000]
    np.testing.assert_allclose(runs.loss_of("c4")[:2], [3.08, 3.06], rtol=1e-12)
    np.testing.assert_allclose(runs.score_of("piqa")[:2], [0.502, 0.504], rtol=1e-12)
    np.testing.assert_allclose(runs.train_loss[:2], [2.98, 2.96], rtol=1e-12)
    joined = next(note for note in made.notes if "joined to losses" in note)
    assert "20 rows" in joined
    assert "at most 0.50% away (tolerance: 1% of the step)" in joined
    assert any("at step 0 left out" in note for note in made.notes)
    assert made.doubts == ()


def test_a_resumed_run_is_one(tmp_path: Path) -> None:
    """Of steps that were trained again the later attempt counts, whether in one file or in two."""
    first = [{"_step": s, "tokens": s * 10, "val_loss": 9.0} for s in range(100, 1500, 100)]
    second = [{"_step": s, "tokens": s * 10, "val_loss": 3.0 - s / 1e4} for s in range(1150, 3000, 100)]
    write(tmp_path / "one" / "run.csv", first + second)
    write(tmp_path / "two" / "run.csv", first)
    write(tmp_path / "two" / "run-resumed.csv", second)
    for folder, name in (("one", "run"), ("two", "run")):
        made = import_runs(tmp_path / folder, constants=SIZES)
        assert made.runs is not None
        assert made.runs.names == (name,)
        assert made.runs.step.tolist() == [*range(100, 1150, 100), *range(1150, 3000, 100)]
        assert any("taken up again: 3 rows of earlier attempts left out" in note for note in made.notes)


def test_one_long_table_with_states(tmp_path: Path) -> None:
    rows = [
        {
            "run_name": name,
            "run_id": f"id-{name}",
            "State": state,
            "global_step": s,
            "tokens": 100 * s,
            "eval_loss": 3 - s / 1e3,
        }
        for name, state in (("a", "finished"), ("b", "crashed"))
        for s in (100, 200, 300)
    ]
    made = import_runs(write(tmp_path / "long.csv", rows), constants=SIZES)
    assert made.runs is not None
    assert made.runs.names == ("a", "b")
    assert made.runs.final.tolist() == [False, False, True, False, False, False]
    assert any("1 run (b) did not finish" in note for note in made.notes)


def test_runs_that_share_a_name_are_told_apart_by_id(tmp_path: Path) -> None:
    rows = [{"name": "a", "run_id": each, "tokens": 100, "params": 5, "val_loss": 3.0} for each in ("x1", "x2")]
    runs = import_runs(write(tmp_path / "long.csv", rows)).runs
    assert runs is not None
    assert runs.names == ("a (x1)", "a (x2)")


def test_panels(tmp_path: Path) -> None:
    """Wide tables of one metric each are joined by step; smallest and largest values are no runs."""
    for metric, level in (("eval/c4/loss", 3.0), ("eval/piqa/acc", 0.5)):
        rows = [
            {
                "Step": s,
                **{f"run {r} - {metric}{end}": level + r / 100 for r in (1, 2) for end in ("", "__MIN", "__MAX")},
            }
            for s in (10, 20, 30)
        ]
        write(tmp_path / f"{metric.replace('/', '_')}.csv", rows)
    made = import_runs(tmp_path, constants=SIZES | {"batch_tokens": 512})
    runs = made.runs
    assert runs is not None
    assert runs.names == ("run 1", "run 2")
    assert runs.tokens[:3].tolist() == [5120, 10240, 15360]
    assert runs.loss_of("c4").tolist() == [3.01] * 3 + [3.02] * 3
    assert runs.score_of("piqa").tolist() == [0.51] * 3 + [0.52] * 3
    assert runs.domains == ("c4",)
    assert made.doubts == ()
    rows[1]["run 1 - eval/piqa/acc__MAX"] = 0.6
    write(tmp_path / "eval_piqa_acc.csv", rows)
    doubts = import_runs(tmp_path, constants=SIZES | {"batch_tokens": 512}).doubts
    assert any("eval_piqa_acc.csv: points are means of several" in doubt for doubt in doubts)
    write(tmp_path / "time" / "x.csv", [{"Relative Time (Wall)": 1, "a - val_loss": 2.0}])
    with pytest.raises(InputError, match="the panel is over 'Relative Time"):
        import_runs(tmp_path / "time")


def test_a_table_of_runs(tmp_path: Path) -> None:
    """One row a run: sizes from its configuration, the final row only of runs that finished."""
    rows = [
        {
            "Name": f"r{i}", "State": "finished" if i else "failed", "Notes": "", "model.non_embedding_params": 10**i,
            "global_batch_size": 8, "data.seq_len": 64, "_step": 1000 * (i + 1), "eval/pile/bpb": 1.5 - i / 10, "lr": 1,
        }
        for i in range(3)
    ]  # fmt: skip
    file = write(tmp_path / "runs.csv", rows)
    made = import_runs(file)
    runs = made.runs
    assert runs is not None
    assert runs.params.tolist() == [1, 10, 100]
    assert runs.tokens.tolist() == [512_000, 1_024_000, 1_536_000]
    assert runs.final.tolist() == [False, True, True]
    np.testing.assert_allclose(runs.loss_of("pile"), np.array([1.5, 1.4, 1.3]) * np.log(2), rtol=1e-12)
    assert runs.shown["pile"].name == "bits"
    write(tmp_path / "both" / "runs.csv", rows)
    for i in range(3):
        write(tmp_path / "both" / f"r{i}.csv", [{"_step": s, "val_loss": 3 - s / 1e4} for s in (100, 1000)])
    both = import_runs(tmp_path / "both").runs
    assert both is not None
    assert both.params.tolist() == [1, 1, 10, 10, 100, 100]
    assert both.tokens[:2].tolist() == [51_200, 512_000]
    assert both.final.tolist() == [False, False, False, True, False, True]


def test_rows_of_a_plain_table_are_runs(tmp_path: Path) -> None:
    """A table without steps in no order, or of several sizes under one name, has a row a run."""
    rows = [{"Training FLOP": c, "loss": 3.0 - i / 10} for i, c in enumerate((3e18, 1e18, 2e18, 1e18))]
    made = import_runs(write(tmp_path / "plain.csv", rows))
    assert made.runs is not None
    assert made.runs.names == ("plain #1", "plain #2", "plain #3", "plain #4")
    assert any("4 rows that differ in size, or are in no order" in note for note in made.notes)
    sizes = [{"experiment": "x", "params": n, "tokens": 10 * n, "loss": 2.0} for n in (1, 2, 3)]
    made = import_runs(write(tmp_path / "sizes.csv", sizes))
    assert made.runs is not None
    assert len(made.runs.names) == 3


def test_scores_in_points_become_fractions(tmp_path: Path) -> None:
    rows = [
        {"_step": s, "tokens": s, "val_loss": 3.0, "eval/piqa/acc": 60.0 + s, "eval/boolq/acc": 0.6} for s in (1, 2)
    ]
    made = import_runs(write(tmp_path / "a.csv", rows), constants=SIZES)
    assert made.runs is not None
    assert made.runs.score.tolist() == [[0.61, 0.6], [0.62, 0.6]]
    assert any("scores of piqa stand from 0 to 100" in note for note in made.notes)


def test_a_sampled_history_is_doubted(tmp_path: Path) -> None:
    steps = np.sort(np.random.default_rng(0).choice(100_000, 60, replace=False)) + 1
    rows = [{"_step": int(s), "tokens": int(s), "val_loss": 3.0} for s in steps]
    made = import_runs(write(tmp_path / "a.csv", rows), constants=SIZES)
    assert any("as in a sampled history" in doubt for doubt in made.doubts)


def test_diverged_cells_are_counted_and_text_is_refused(tmp_path: Path) -> None:
    rows = [{"_step": 1, "tokens": 1, "val_loss": 3.0}, {"_step": 2, "tokens": 2, "val_loss": "NaN"}]
    made = import_runs(write(tmp_path / "a.csv", rows), constants=SIZES)
    assert any("1 cell NaN or infinite" in doubt for doubt in made.doubts)
    rows[1]["val_loss"] = "lots"
    with pytest.raises(InputError, match=r"a\.csv, row 2 \(line 3\), column 'val_loss': 'lots' is not a number"):
        import_runs(write(tmp_path / "a.csv", rows), constants=SIZES)


def test_columns_by_name_and_whole_runs_of_a_join_table(tmp_path: Path) -> None:
    """A column nobody knows is named with its unit; tokens of a whole run are shared out by its steps."""
    rows = [{"_step": s, "my metric": 2.0 - s / 1e3} for s in (50, 100)]
    source = write(tmp_path / "r" / "a.csv", rows)
    with pytest.raises(InputError, match=r"no column is a loss or a score by its name: _step, my metric\. Say which"):
        import_runs(source)
    join = tmp_path / "join.csv"
    join.write_text("run;params;tokens;held_out\na;1,5M;3e9;yes\n".replace("1,5M", "1.5M"))
    made = import_runs(source, format="wandb", columns={"loss/mine": "my metric:bits"}, join=join)
    runs = made.runs
    assert runs is not None
    assert runs.tokens.tolist() == [1.5e9, 3e9]
    assert runs.held_out.tolist() == [True]
    np.testing.assert_allclose(runs.loss_of("mine"), np.array([1.95, 1.9]) * np.log(2))
    with pytest.raises(InputError, match="Did you mean 'my metric'"):
        import_runs(source, format="wandb", columns={"loss/mine": "my metrics"})


def test_a_template_filled_in_leaves_what_the_source_says_of_each_row(tmp_path: Path) -> None:
    """Tokens that grow faster later, as with a batch that grows, are not shared out by steps."""
    tokens = {100: 1e9, 200: 2e9, 300: 6e9}
    rows = [{"_step": s, "tokens": d, "val_loss": 4 - d / 1e10} for s, d in tokens.items()]
    source = write(tmp_path / "r" / "a.csv", rows)
    template = import_runs(source).template
    assert template.splitlines()[1] == "a,,6000000000,"
    join = tmp_path / "join.csv"
    join.write_text(template.replace("a,,", "a,10M,"))
    runs = import_runs(source, join=join).runs
    assert runs is not None
    assert runs.tokens.tolist() == list(tokens.values())
    assert runs.params.tolist() == [1e7] * 3


def test_public_histories(public_data: Path, tmp_path: Path) -> None:
    """OLMo-ladder's own exports are what its reader makes of them, and come back from the table unchanged."""
    folder = public_data / "olmo-ladder"
    made = import_runs(folder)
    runs = made.runs
    assert runs is not None
    assert made.without_params
    assert len(runs.names) == 30
    own = read_runs("olmo-ladder")
    for name in ("190M-1xC", "1B-10xC"):
        mine, theirs = runs.only([name]), own.only([name])
        at = np.isin(theirs.tokens, mine.tokens)
        assert at.all()
        np.testing.assert_array_equal(mine.loss_of("c4_en"), theirs.loss_of("c4_en"))
        np.testing.assert_array_equal(mine.score_of("piqa_val_rc_5shot"), theirs.score_of("piqa"))
    assert all(task.chance_known for task in runs.tasks)
    (tmp_path / "ladder.csv").write_text(made.csv())
    (tmp_path / "ladder.toml").write_text(made.mapping)
    again = read_runs(tmp_path / "ladder.csv", tmp_path / "ladder.toml")
    for what in ("loss", "score", "tokens", "flops"):
        np.testing.assert_array_equal(getattr(again, what), getattr(runs, what))
