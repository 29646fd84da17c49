"""The paper's two stages are least squares: the same numbers from NumPy, run by run and row by row."""

import numpy as np
import pytest

from flpjax.fitting.point import point
from flpjax.methods.flp import FLP
from flpjax.results.forecast import forecast
from flpjax.results.target import targets_of

CLOSE = 1e-8  # the solver stops 1e-7 standard errors from the optimum, and these are some 1 % of a parameter


@pytest.fixture(scope="module")
def draws(noisy, key):
    return point(FLP(), noisy.runs, key)


def lines_of_stage_1(runs):
    """Domain → slope and intercept of log loss on log FLOPs at each run's last checkpoint."""
    last = [np.flatnonzero(runs.run == i)[-1] for i, held in enumerate(runs.held_out) if not held]
    return {d: np.polyfit(np.log(runs.flops[last]), np.log(runs.loss_of(d)[last]), 1) for d in runs.domains}


def selected_by_hand(runs, task):
    """Rows of section 3.3, in plain Python."""
    chance = next(t.chance for t in runs.tasks if t.name == task)
    rows = []
    for i, held in enumerate(runs.held_out):
        own = [int(r) for r in np.flatnonzero(runs.run == i)]
        end = max(runs.tokens[r] for r in own)
        seen = []
        for r in own:
            loss = round(float(runs.train_loss[r]), 2)
            improved = all(loss < before for before in seen)
            seen.append(loss)
            late = runs.tokens[r] >= 0.1 * end
            if not held and improved and late and runs.score_of(task)[r] >= chance + 0.05:
                rows.append(r)
    return rows


def test_stage_1_is_the_line_through_the_logarithms(noisy, draws):
    constants = draws.fits["loss"].constants
    for i, (domain, (slope, intercept)) in enumerate(lines_of_stage_1(noisy.runs).items()):
        assert draws.fits["loss"].outputs[i] == domain
        np.testing.assert_allclose(constants["alpha_N"][i], slope, rtol=CLOSE)
        np.testing.assert_allclose(np.log(constants["C_N"][i]), -intercept / slope, rtol=CLOSE)


def test_stage_2_is_the_line_through_the_selected_checkpoints(noisy, draws):
    runs, constants = noisy.runs, draws.fits["score"].constants
    for i, task in enumerate(runs.task_names):
        rows = selected_by_hand(runs, task)
        slope, intercept = np.polyfit(runs.loss_of("general")[rows], runs.score_of(task)[rows], 1)
        assert draws.fits["score"].outputs[i] == task
        np.testing.assert_allclose([constants["w1"][i], constants["w0"][i]], [slope, intercept], rtol=CLOSE)


def test_the_forecast_is_one_line_after_the_other(noisy, draws):
    runs = noisy.runs
    seen = forecast(draws, targets_of(runs.targets()))
    stage_1 = lines_of_stage_1(runs)
    for i, target in enumerate(seen.targets):
        loss = {d: np.exp(np.polyval(line, np.log(target.flops))) for d, line in stage_1.items()}
        for domain, value in loss.items():
            np.testing.assert_allclose(seen.loss[i][domain].median, value, rtol=CLOSE)
        for task in runs.task_names:
            rows = selected_by_hand(runs, task)
            line = np.polyfit(runs.loss_of("general")[rows], runs.score_of(task)[rows], 1)
            np.testing.assert_allclose(seen.score[i][task].median, np.polyval(line, loss["general"]), rtol=CLOSE)


def test_scores_can_go_through_another_domain(noisy, key):
    runs = noisy.runs
    draws = point(FLP(via="code"), runs, key)
    for i, task in enumerate(runs.task_names):
        rows = selected_by_hand(runs, task)
        slope = np.polyfit(runs.loss_of("code")[rows], runs.score_of(task)[rows], 1)[0]
        np.testing.assert_allclose(draws.fits["score"].constants["w1"][i], slope, rtol=CLOSE)


def test_residual_sd_counts_the_parameters_off(noisy, draws):
    runs = noisy.runs
    last = [np.flatnonzero(runs.run == i)[-1] for i in np.flatnonzero(~runs.held_out)]
    for i, (domain, line) in enumerate(lines_of_stage_1(runs).items()):
        off = np.log(runs.loss_of(domain)[last]) - np.polyval(line, np.log(runs.flops[last]))
        np.testing.assert_allclose(
            draws.fits["loss"].residual_sd[i], np.sqrt(np.sum(off**2) / (len(off) - 2)), rtol=1e-8
        )
