"""What a fit used is what is counted; every run left out is named with the reason."""

import numpy as np
import pytest
from typer.testing import CliRunner

from flpjax.cli.app import app
from flpjax.fitting.averaging.origins import Origins
from flpjax.fitting.point import point
from flpjax.ladder.build import build_runs
from flpjax.ladder.select import Selection
from flpjax.methods.direct import FP
from flpjax.methods.flp import FLP
from flpjax.results.check import check
from flpjax.results.forecast import forecast
from flpjax.results.ladder_checks import check_distance, check_finished, check_runs
from flpjax.results.target import Target, targets_of
from flpjax.results.verdicts import Verdict

NAN = np.nan
SIZES = 5e7 * 2.0 ** np.arange(7)
LOSS = np.array([3.7257, 3.2941, 2.9544, 2.6878, 2.4785, 2.3141, 2.1849])
EVERY = Selection(improving=False, above_chance=None, warmup=0.0)
TARGET = Target("big", params=1e10, tokens=2e11)


def seven(last_loss_at=0.95, silent=(), **columns):
    """Seven runs with a row of losses, then one that ends the run and has a score only.

    Args:
        last_loss_at: Share of a run's tokens at which the loss was measured.
        silent: Runs whose losses are blank.
        columns: More of them, ``(run, row)``.
    """
    loss = np.where(np.isin(np.arange(7), silent), NAN, LOSS)
    return build_runs(
        {
            "run": np.repeat(list("abcdefg"), 2).astype(object),
            "params": np.repeat(SIZES, 2),
            "tokens": np.outer(20 * SIZES, [last_loss_at, 1.0]).ravel(),
            "loss/c4": np.stack([loss, np.full(7, NAN)], axis=1).ravel(),
            "score/t": np.stack([np.full(7, NAN), 1.2 - 0.25 * LOSS], axis=1).ravel(),
        }
        | {name: np.ravel(values) for name, values in columns.items()}
    )


def test_losses_and_scores_in_rows_of_their_own_are_fitted_with_all_runs(key):
    """The law of compute is exact: what the distance from a run's end changes is nothing."""
    tokens = 20 * SIZES * 0.95
    law = 50.0 * (6 * SIZES * tokens) ** -0.06
    runs = seven(**{"loss/c4": np.stack([law, np.full(7, NAN)], axis=1)})
    draws = point(FLP(selection=EVERY), runs, key)
    assert draws.ladder.runs == 7
    assert draws.ladder.flops[1] == 6 * SIZES[-1] * tokens[-1]
    assert draws.warnings == ()
    told = forecast(draws, [Target("big", flops=1e22)]).loss[0]["c4"].median
    assert told == pytest.approx(50.0 * 1e22**-0.06, rel=1e-9)
    assert check_runs(runs).figure == "7 finished runs"
    assert not list(check_finished(runs))
    seen = check(runs)
    assert all(row["finished"] for row in seen.runs)
    assert any(
        "7 runs with a last row that does not measure all: final values are the last measured" in n for n in seen.notes
    )


def test_runs_without_a_final_loss_are_not_counted_and_are_named(key):
    """The case that was 7 finished runs and 9.8 ×, and is 4 and 625 ×."""
    runs = seven(silent=(4, 5, 6))
    draws = point(FLP(selection=EVERY), runs, key)
    assert draws.ladder.runs == 4
    assert draws.ladder.params == (SIZES[0], SIZES[3])
    assert dict(draws.ladder.left_out) == dict.fromkeys("efg", "no value of loss/c4")
    reason = (
        "3 runs of 7 left out of the fit: 'e', 'f', 'g' (no value of loss/c4); a final value stands in the last 10%"
    )
    assert draws.warnings[0].startswith(reason)
    assert forecast(draws, [TARGET]).warnings[0].startswith(reason)
    assert forecast(draws, [TARGET]).extrapolation == (draws.ladder.rule(1e10, 2e11) / draws.ladder.flops[1],)
    (distance,) = check_distance(draws, [TARGET])
    assert "658 ×" in distance.figure  # 625 / .95: D is that of the row with the loss
    assert check_runs(runs).figure == "4 finished runs"
    (finding,) = check_finished(runs)
    assert finding.verdict == Verdict.REVIEW
    assert "3 runs of 7 without a final loss 'c4', and with no part in its fit: 'e', 'f', 'g'" in finding.figure
    seen = check(runs)
    assert [row["finished"] for row in seen.runs] == [True] * 4 + [False] * 3
    assert any("4 finished runs only" in w for w in seen.warnings)
    assert any("'e', 'f', 'g' (no value of loss/c4)" in w for w in seen.warnings)


def test_an_evaluation_that_stopped_early_is_no_final_one():
    late = np.stack([LOSS, np.full(7, NAN)], axis=1)
    late[5, 1] = 2.31
    (warning,) = (w for w in check(seven(0.6, **{"loss/c4": late})).warnings if "without a final loss" in w)
    assert warning.startswith("6 runs of 7 without a final loss 'c4', and with no part in its fit: 'a', 'b', 'c'")
    assert "'g' (its last loss/c4 stands at 60% of its tokens)" in warning


def test_a_blank_end_where_others_have_a_loss_is_how_a_diverged_run_looks():
    both = np.stack([1.01 * LOSS, LOSS], axis=1)
    both[6, 1] = NAN
    runs = seven(**{"loss/c4": both})
    assert runs.finals().loss_of("c4")[6] == both[6, 0]
    (warning,) = (w for w in check(runs).warnings if "diverged" in w)
    assert warning.startswith("'g': the last row has no loss 'c4', unlike that of most runs")
    assert not [w for w in check(seven()).warnings if "diverged" in w]  # where all end so, it is how they log


def test_a_loss_that_the_largest_runs_lack_is_further_from_its_target(key):
    code = np.where(np.arange(7) < 5, LOSS - 1.0, NAN)
    runs = seven(**{"loss/code": np.stack([code, np.full(7, NAN)], axis=1)})
    draws = point(FLP(selection=EVERY), runs, key)
    assert draws.ladder.runs == 7
    assert "loss 'code': fitted on 5 of 7 runs; 'f', 'g' have no final value of it" in draws.warnings
    (finding,) = check_distance(draws, [TARGET])
    assert "largest run, and" in finding.figure
    assert "× beyond the largest that loss 'code' was fitted on" in finding.figure


def test_a_method_without_losses_counts_runs_by_their_scores(key):
    score = np.stack([np.full(7, NAN), 1.2 - 0.25 * LOSS], axis=1)
    score[6] = NAN
    draws = point(FP(), seven(**{"score/t": score}), key)
    assert draws.ladder.runs == 6
    assert dict(draws.ladder.left_out) == {"g": "no value of score/t"}
    assert draws.ladder.reach == ()


def test_origins_forecast_and_measure_from_what_a_fit_used():
    origins = Origins.of(seven(silent=(6,)), np.random.default_rng(0))
    assert not origins.train_mask[1:, 6].any()
    assert origins.forecast_mask[:, 6].any()  # its score was measured
    assert origins.distance[0, 6] == pytest.approx(np.log(4 / 0.95))  # beyond 'f', the largest with a loss


def test_a_run_that_is_held_out_and_not_yet_measured_is_a_target_all_the_same():
    runs = seven(silent=(6,), **{"score/t": np.where(np.arange(14) > 11, NAN, 0.5)}).hold_out(["g"])
    (target,) = targets_of(runs.targets())
    assert (target.name, target.tokens) == ("g", 20 * SIZES[-1])


def test_the_reason_why_no_score_has_a_loss_is_said():
    far = seven(0.3)
    seen = check(far, selection=EVERY)
    assert seen.tasks[0]["dropped"] == {"no score": 7, "no loss": 7}
    assert "no row near it" in seen.reasons["no loss"]


def test_the_forecast_names_who_is_left_out_in_its_header(tmp_path):
    path = tmp_path / "ladder.csv"
    rows = [f"{n},{p},{20 * p},{loss}" for n, p, loss in zip("abcdefg", SIZES, LOSS, strict=True)]
    rows += [f"{n},{p},{28 * p}," for n, p in zip("fg", SIZES[5:], strict=True)]
    path.write_text("\n".join(["run,params,tokens,loss/c4", *rows]) + "\n")
    shown = CliRunner().invoke(app, ["forecast", str(path), "-t", "N=1e10,D=2e11", "--method", "flp", "--draws", "0"])
    assert shown.exit_code == 0, shown.output
    flat = " ".join(shown.output.split())
    assert ": 5 runs, 9 checkpoints" in flat
    assert "2 runs of 7 left out of the fit: 'f', 'g' (its last loss/c4 stands at 71.4% of its tokens)" in flat
    assert flat.count("left out of the fit") == 1
