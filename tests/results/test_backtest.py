"""The record of a method: by hand where it is small, by NumPy where it is fitted."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.fitting.bootstrap import bootstrap
from flpjax.methods.direct import FP
from flpjax.methods.flp import FLP
from flpjax.methods.registry import method
from flpjax.results.backtest import backtest
from flpjax.results.forecast import forecast
from flpjax.results.record import Backtest, Cell, Record, crps
from flpjax.results.target import targets_of

HAND = Record(
    scores=(
        Cell("A", "t", predicted=0.55, lower=0.45, upper=0.60, actual=0.50, true_loss=0.52),
        Cell("A", "u", predicted=0.30, lower=0.25, upper=0.35, actual=0.40, true_loss=None),
        Cell("B", "t", predicted=0.66, lower=0.60, upper=0.70, actual=0.60, true_loss=0.54),
    ),
    losses=(
        Cell("A", "general", predicted=2.2, lower=2.1, upper=2.3, actual=2.0),
        Cell("A", "code", predicted=0.9, lower=0.8, upper=1.0, actual=1.0),
        Cell("B", "general", predicted=1.71, lower=1.7, upper=1.8, actual=1.8),
    ),
)


def test_errors_by_hand():
    np.testing.assert_allclose([c.rel_error for c in HAND.scores], [0.1, -0.25, 0.1])
    assert HAND.scores[1].rel_error_true_loss is None
    np.testing.assert_allclose([HAND.scores[i].rel_error_true_loss for i in (0, 2)], [0.04, -0.1])
    np.testing.assert_allclose(HAND.mean_abs_rel_error(), 0.15)
    np.testing.assert_allclose(HAND.mean_abs_rel_error("A"), 0.175)
    np.testing.assert_allclose(HAND.mean_abs_rel_error(true_loss=True), 0.07)
    np.testing.assert_allclose(HAND.loss_error("general"), 0.075)
    np.testing.assert_allclose(HAND.loss_error("general", "B"), 0.05)
    assert HAND.loss_error("maths") is None
    assert [c.covered for c in HAND.scores] == [True, False, True]
    np.testing.assert_allclose(HAND.coverage, 2 / 3)
    np.testing.assert_allclose(HAND.width, (0.15 + 0.1 + 0.1) / 3)


def test_losses_have_the_figures_that_scores_have():
    """Widths and CRPS of losses are relative: domains differ in size."""
    cells = tuple(replace(c, crps=0.1 * c.actual) for c in HAND.losses)
    means = replace(HAND, losses=cells).means("loss")
    assert (means.cells, means.error_true_loss) == (3, None)
    np.testing.assert_allclose([means.error, means.coverage], [(0.1 + 0.1 + 0.05) / 3, 2 / 3])
    np.testing.assert_allclose(means.width, (0.2 / 2.0 + 0.2 / 1.0 + 0.1 / 1.8) / 3)
    np.testing.assert_allclose(means.crps, 0.1)
    assert replace(HAND, intervals=False).means("loss").coverage is None


@pytest.mark.parametrize("kind", ["score", "loss"])
def test_the_best_is_that_of_losses_where_no_method_has_a_score(kind):
    def record(error):
        cell = Cell("A", "x", predicted=0.5 * (1 + error), lower=0.4, upper=0.6, actual=0.5)
        return Record(scores=(cell,)) if kind == "score" else Record(losses=(cell,))

    result = Backtest(("A",), 0.9, {"bad": record(0.2), "good": record(0.1), "failed": Record(failed="no")})
    assert (result.judged_by, result.best()) == (kind, "good")
    zero = replace(HAND.scores[0], actual=0.0)  # no relative error, which must not pass for none at all
    assert Backtest(("A",), 0.9, {"z": Record(scores=(zero,))}).best() is None


def test_crps_is_the_double_mean():
    rng = np.random.default_rng(0)
    drawn = np.sort(rng.normal(size=41))
    brute = np.abs(drawn - 0.3).mean() - 0.5 * np.abs(drawn[:, None] - drawn[None, :]).mean()
    np.testing.assert_allclose(crps(drawn, 0.3), brute)
    np.testing.assert_allclose(crps(np.array([0.5]), 0.3), 0.2)


def test_an_interval_holds_its_bounds():
    cell = Cell("A", "t", 0.5, 0.4, 0.6, 0.4)
    assert cell.covered
    assert replace(cell, actual=0.6).covered
    assert not replace(cell, actual=0.601).covered


def test_the_best_has_the_smallest_error_among_those_that_forecast_most():
    cell = HAND.scores[0]
    worse = Record(scores=(replace(cell, predicted=0.8),) * 3)
    lucky = Record(scores=(replace(cell, predicted=0.5),))
    failed = Record(failed="no")
    assert Backtest(("A",), 0.9, {"w": worse, "h": HAND, "l": lucky, "f": failed}).best() == "h"
    assert not Backtest(("A",), 0.9, {"h": HAND, "l": lucky, "f": failed}).judged_alike
    assert Backtest(("A",), 0.9, {"w": worse, "h": HAND, "f": failed}).judged_alike
    assert Backtest(("A",), 0.9, {"f": failed, "l": lucky}).best() == "l"
    assert Backtest(("A",), 0.9, {"f": failed}).best() is None


def test_the_text_says_why_a_method_failed():
    exact = Record(scores=(replace(HAND.scores[0], predicted=0.5),))
    text = str(Backtest(("A",), 0.9, {"h": HAND, "f": Record(failed="too few runs"), "e": exact}))
    assert text.splitlines() == [
        "h: 15.00% mean absolute relative error",
        "f: too few runs",
        "e: 0.00% mean absolute relative error",
    ]


@pytest.fixture(scope="module")
def pointwise(noisy, key):
    seen = []
    result = backtest(
        {"llama3": method("llama3"), "flp": FLP(), "fp": FP()}, noisy.runs, key, draws=0, progress=seen.append
    )
    assert seen == ["llama3", "flp", "fp"]
    return result


def lines(runs, staged):
    """Task → w0 and w1; NumPy's line through compute and general loss."""
    last = [np.flatnonzero(runs.run == i)[-1] for i in np.flatnonzero(~runs.held_out)]
    stage_1 = np.polyfit(np.log(runs.flops[last]), np.log(runs.loss_of("general")[last]), 1)
    constants = staged.fits["score"].constants
    return stage_1, dict(zip(runs.task_names, zip(constants["w0"], constants["w1"], strict=True), strict=True))


def test_fitted_errors_are_the_papers(noisy, staged, pointwise):
    runs = noisy.runs
    finals = runs.targets().finals()
    stage_1, stage_2 = lines(runs, staged)
    record = pointwise.methods["flp"]
    assert [(c.target, c.name) for c in record.scores] == [(t, n) for t in finals.names for n in runs.task_names]
    for cell in record.scores:
        i, (w0, w1) = finals.names.index(cell.target), stage_2[cell.name]
        actual, loss = finals.score_of(cell.name)[i], finals.loss_of("general")[i]
        assert cell.actual == actual
        predicted = w0 + w1 * np.exp(np.polyval(stage_1, np.log(finals.flops[i])))
        np.testing.assert_allclose(cell.rel_error, predicted / actual - 1, rtol=1e-6)
        np.testing.assert_allclose(cell.rel_error_true_loss, (w0 + w1 * loss) / actual - 1, rtol=1e-6)
    predicted = np.exp(np.polyval(stage_1, np.log(finals.flops)))
    error = np.abs(predicted / finals.loss_of("general") - 1)
    np.testing.assert_allclose(record.loss_error("general"), error.mean(), rtol=1e-6)
    np.testing.assert_allclose(record.loss_error("general", "13B"), error[1], rtol=1e-6)


def test_a_method_that_the_ladder_cannot_carry_is_reported_and_others_go_on(pointwise):
    failed = pointwise.methods["llama3"]
    assert failed.failed.startswith("simulated ladder (seed 3): there is no column 'loss/bbh', the task's own loss")
    assert failed.scores == ()
    assert len(pointwise.methods["flp"].scores) == len(pointwise.methods["fp"].scores) == 6
    assert pointwise.best() in ("flp", "fp")


def test_a_method_without_a_loss_has_no_error_at_the_true_one(pointwise):
    assert all(c.rel_error_true_loss is None for c in pointwise.methods["fp"].scores)
    assert pointwise.methods["fp"].losses == ()


def test_intervals_are_those_of_the_forecast(noisy, booted, key):
    (record,) = backtest({"flp": FLP()}, noisy.runs, key, draws=7, level=0.8).methods.values()
    targets = targets_of(noisy.runs.targets())
    seen = forecast(bootstrap(FLP(), noisy.runs, key, draws=7), targets, level=0.8)
    finals = noisy.runs.targets().finals()
    held, width = [], []
    for cell in record.scores:
        i = finals.names.index(cell.target)
        interval = seen.score[i][cell.name]
        assert (cell.lower, cell.predicted, cell.upper) == (interval.lower, interval.median, interval.upper)
        held.append(interval.lower <= finals.score_of(cell.name)[i] <= interval.upper)
        width.append(interval.upper - interval.lower)
    np.testing.assert_allclose(record.coverage, np.mean(held))
    np.testing.assert_allclose(record.width, np.mean(width))


def test_the_json_has_the_keys_of_the_contract(pointwise, noisy, key):
    def no_constant(text):
        raise AssertionError(f"{text} is no JSON")

    parsed = json.loads(pointwise.to_json(), parse_constant=no_constant)
    assert list(parsed["methods"]) == ["llama3", "flp", "fp"]
    for name, record in parsed["methods"].items():
        assert {"mean_abs_rel_error", "coverage", "cells"} <= set(record)
        assert len(record["cells"]) == (0 if name == "llama3" else 6)
        for cell in record["cells"]:
            assert set(cell) >= {
                "target", "task", "predicted", "lower", "upper", "actual", "rel_error", "rel_error_true_loss",
            }  # fmt: skip
            np.testing.assert_allclose(cell["rel_error"], cell["predicted"] / cell["actual"] - 1, rtol=1e-9)
        errors = [abs(c["rel_error"]) for c in record["cells"]]
        if errors:
            np.testing.assert_allclose(record["mean_abs_rel_error"], np.mean(errors))
        else:
            assert record["mean_abs_rel_error"] is None
    assert parsed["methods"]["fp"]["cells"][0]["rel_error_true_loss"] is None


def test_point_fits_have_no_intervals_in_json(pointwise):
    for record in pointwise.to_dict()["methods"].values():
        assert (record["intervals"], record["coverage"], record["width"], record["crps"]) == (False, None, None, None)
        assert all((c["lower"], c["upper"], c["crps"]) == (None,) * 3 for c in record["cells"] + record["loss_cells"])


def test_a_ladder_without_scores_is_judged_by_its_losses(noisy, key):
    """An array of no tasks could not be stacked; and losses had no coverage, width or CRPS."""
    runs = replace(noisy.runs, tasks=(), score=noisy.runs.score[:, :0], stderr=noisy.runs.stderr[:, :0])
    methods = {"flp": FLP(), "fp": FP(), "llama3": method("llama3")}
    result = backtest(methods, runs, key, draws=7)
    assert result.best() == "flp"
    assert result.methods["fp"].failed.startswith("simulated ladder (seed 3): there is no column 'score/<task>'")
    assert "whose own loss a score goes through" in result.methods["llama3"].failed
    record = result.methods["flp"]
    assert len(record.losses) == 2 * len(runs.domains)
    assert all(c.lower <= c.predicted <= c.upper and c.crps > 0 for c in record.losses)
    row = result.summary()[0]
    means = record.means("loss")
    assert (row["loss_error"], row["loss_coverage"]) == (means.error, means.coverage)
    assert (row["tasks"], row["losses"], row["score_error"]) == (0, len(record.losses), None)
    parsed = json.loads(result.to_json())["methods"]["flp"]
    assert (parsed["loss_mean_abs_rel_error"], parsed["loss_coverage"]) == (means.error, means.coverage)
    assert (parsed["loss_rel_width"], parsed["loss_rel_crps"]) == (means.width, means.crps)


def test_the_table_is_its_twin(pointwise):
    rows = pointwise.to_dicts()
    assert [(r["method"], r["target"]) for r in rows] == [
        (m, t) for m in ("llama3", "flp", "fp") for t in ("7B", "13B")
    ]
    record = pointwise.methods["flp"]
    assert rows[2]["score_error"] == record.mean_abs_rel_error("7B")
    assert rows[2]["loss_error"] == record.loss_error("general", "7B")
    assert (rows[4]["loss_error"], rows[0]["score_error"]) == (None, None)


def test_held_out_values_change_the_errors_and_no_forecast(noisy, key, pointwise):
    runs = noisy.runs
    score = np.where(runs.held_out[runs.run][:, None], 0.5, runs.score)
    moved = backtest({"flp": FLP()}, replace(runs, score=score), key, draws=0).methods["flp"]
    for before, after in zip(pointwise.methods["flp"].scores, moved.scores, strict=True):
        assert after.predicted == before.predicted
        assert after.actual == 0.5


def test_targets_without_a_score_are_no_cells(noisy, key):
    runs = noisy.runs
    score = np.array(runs.score)
    score[runs.held_out[runs.run], 0] = np.nan
    (record,) = backtest({"flp": FLP()}, replace(runs, score=score), key, draws=0).methods.values()
    assert {c.name for c in record.scores} == {"hellaswag", "triviaqa"}


def test_targets_with_nothing_that_was_forecast_are_no_record(noisy, key):
    runs = noisy.runs
    score = np.array(runs.score)
    score[runs.held_out[runs.run]] = np.nan
    (record,) = backtest({"fp": FP()}, replace(runs, score=score), key, draws=0).methods.values()
    assert "nothing that the method forecasts was measured on the held-out runs. Hold out runs with a" in record.failed


def test_nothing_held_out_is_refused(noisy, key):
    runs = noisy.runs.hold_out([])
    text = "simulated ladder (seed 3): no run is held out. Name some, or hold out the largest K"
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        backtest({"flp": FLP()}, runs, key)


def test_everything_held_out_is_refused(noisy, key):
    text = "simulated ladder (seed 3): all runs are held out. Leave some to fit on"
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        backtest({"flp": FLP()}, noisy.runs.hold_out("*"), key)
