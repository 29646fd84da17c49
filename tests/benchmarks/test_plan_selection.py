"""Selection on ScaleBench: a law with its discrepancy against a regression in closed form; published figures; words."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from benchmarks.laws.tasks import TASKS
from benchmarks.plan.beliefs import CELLS, LENGTH, departures, nearby
from benchmarks.plan.fits import Fits
from benchmarks.plan.measured import Measured, Part
from benchmarks.plan.selection import PUBLISHED, show
from benchmarks.plan.splits import split_of
from benchmarks.plan.study import SHARES
from benchmarks.plan.weighed import WIDTH, _noise, shares_of_evidence
from flpjax.fitting.lawsearch.folds import Folds, folds_towards
from flpjax.fitting.lawsearch.structure import axis_of
from flpjax.fitting.lawsearch.trials import CORNER

ROWS, MEASURED, NUMBERS, CELL, NEAR = 13, 7, 3, 5, 2


@pytest.mark.parametrize("local", [0.0, 0.7])
def test_a_law_and_its_departures_are_a_regression(local):
    rng = np.random.default_rng(0)
    slope, along, near = (rng.standard_normal((ROWS, n)) for n in (NUMBERS, CELL, NEAR))
    basis = np.concatenate([along, local * near], axis=1)
    away, measured = rng.standard_normal(NUMBERS), list(range(MEASURED))
    value = rng.standard_normal(ROWS)
    y = value[:MEASURED] + 0.01 * rng.standard_normal(MEASURED)  # within the Huber corner: squares
    folds = Folds(np.ones((1, MEASURED)), np.zeros((1, MEASURED), bool), ("all rows",))
    law = Fits(value[None, None], slope[None, None], away[None, None], float(NUMBERS))
    here = Measured(measured, y[None], np.ones(1), along, near, folds)
    part = Part(law, np.ones(1), np.array([local]), np.array([0.5]), 0.0)
    forecast, deviations = here.forecast(part, 0, 0), here.deviations(part, 0, 0)
    design = np.concatenate([slope, basis], axis=1)
    prior = np.concatenate([-away, np.zeros(CELL + NEAR)])  # of what is added to the fit
    total = design[:MEASURED] @ design[:MEASURED].T + 0.25 * np.eye(MEASURED)
    gain = design @ design[:MEASURED].T @ np.linalg.inv(total)
    mean = value + design @ prior + gain @ (y - value[:MEASURED] - design[:MEASURED] @ prior)
    np.testing.assert_allclose(forecast, mean, rtol=1e-9)
    covariance = design @ design.T - gain @ design[:MEASURED] @ design.T
    np.testing.assert_allclose(deviations.T @ deviations, covariance, atol=1e-9)
    density = multivariate_normal(value[:MEASURED] + design[:MEASURED] @ prior, total).logpdf(y)
    np.testing.assert_allclose(here.log_evidence(part, 0), density, rtol=1e-9)


def test_noise_that_scatter_shows_is_more_probable_than_rows_with_noise_of_their_own():
    """Of twelve rows that scatter by 2 %, a noise of 2 % is by far more probable than one of .4 % and outliers."""
    y = 0.02 * np.random.default_rng(3).standard_normal((1, 12))
    folds = Folds(np.ones((1, 12)), np.zeros((1, 12), bool), ("all rows",))
    law = Fits(np.zeros((1, 1, 12)), np.zeros((1, 1, 12, 1)), np.zeros((1, 1, 1)), 1.0)
    here = Measured(list(range(12)), y, np.ones(1), np.zeros((12, 1)), np.zeros((12, 1)), folds)
    little, much = (
        here.log_evidence(Part(law, np.zeros(1), np.zeros(1), np.array([noise]), 0.0), 0) for noise in (0.004, 0.02)
    )
    huber = np.where(np.abs(y) < CORNER * 0.02, 0.5 * (y / 0.02) ** 2, CORNER * np.abs(y) / 0.02 - 0.5 * CORNER**2)
    np.testing.assert_allclose(much, -huber.sum() - 12 * np.log(0.02 * np.sqrt(2 * np.pi)), rtol=1e-9)
    assert much > little + 10.0


def test_evidences_err_by_what_widths_of_priors_do():
    """Of two laws the share is the mean of a logistic over a normal; a law's own parts err alike."""
    law, other = (Fits(np.zeros((1, 1, 1)), np.zeros((1, 1, 1, 1)), np.zeros((1, 1, 1)), 9.0) for _ in range(2))
    part = Part(law, np.zeros(1), np.zeros(1), np.ones(1), 0.0)
    lead = part._replace(log_weight=3.0)

    def shares(*parts):
        return [share for _, share in shares_of_evidence(list(parts), np.random.default_rng(0))]

    normal = WIDTH * 3.0 * np.sqrt(2.0) * np.random.default_rng(1).standard_normal(100_000)
    np.testing.assert_allclose(
        shares(lead, part._replace(law=other))[0], np.mean(1 / (1 + np.exp(-3 - normal))), atol=0.05
    )
    np.testing.assert_allclose(shares(part._replace(log_weight=30.0), part._replace(law=other))[0], 1.0, atol=1e-6)
    np.testing.assert_allclose(shares(lead, part)[0], 1 / (1 + np.exp(-3)), rtol=1e-9)


def test_residuals_of_a_law_that_bent_to_its_rows_are_too_small():
    """A line of five numbers through eight rows of noise 1: by the rows that are left free, about 1."""
    rng = np.random.default_rng(5)
    x = np.vander(np.linspace(-1.0, 1.0, 8), 5)
    y = rng.standard_normal((4000, 8))
    residual = y - y @ x @ np.linalg.inv(x.T @ x) @ x.T
    assert 0.6 < np.median(_noise(residual, 5.0, np.full(4000, 1.0))) < 1.2
    assert np.median(1.4826 * np.median(np.abs(residual), axis=1)) < 0.6


def test_a_discrepancy_widens_with_the_distance():
    n = np.geomspace(1e7, 1e10, 11)
    sd = np.sqrt((departures([axis_of("N", n[:6])], n[None]) ** 2).sum(axis=1))
    assert sd.shape == (11,)
    assert departures([axis_of("N", n[:6])], n[None]).shape == (11, CELLS)
    assert (np.diff(sd) > 0).all()
    np.testing.assert_allclose(sd[-1], (np.log(1e3) ** 3 / 3) ** 0.5, rtol=0.05)  # of an integrated Wiener process


def test_rows_near_each_other_share_a_local_departure():
    """Covariances are those of the kernel, as far as the decomposition leaves nothing out."""
    rng = np.random.default_rng(1)
    columns = np.exp(rng.uniform(0.0, 3.0, (2, 17)))
    cells = nearby([axis_of(name, v) for name, v in zip("ND", columns, strict=True)], columns)
    away = np.sqrt(3.0) * np.linalg.norm(np.log(columns)[:, :, None] - np.log(columns)[:, None], axis=0) / LENGTH
    np.testing.assert_allclose(cells @ cells.T, (1.0 + away) * np.exp(-away), atol=0.01)


def test_many_rows_of_a_far_corner_do_not_outweigh_few_near_the_target():
    """A corner is .1 off: with a local departure the forecast at the target stays with its neighbours."""
    x = np.concatenate([np.full(40, 1e7) * np.linspace(1.0, 1.01, 40), [1e10, 1.1e10, 2e10]])[None]
    near = nearby([axis_of("N", x[0])], x)
    y = np.where(x[0] < 1e9, 0.1, 0.0)[:42]
    folds = Folds(np.ones((1, 42)), np.zeros((1, 42), bool), ("all rows",))
    law = Fits(np.full((1, 1, 43), 0.095), np.ones((1, 1, 43, 1)), np.zeros((1, 1, 1)), 1.0)  # a level, fitted to all
    here = Measured(list(range(42)), y[None], np.ones(1), np.zeros((43, 1)), near, folds)
    without, with_it = (
        here.forecast(Part(law, np.zeros(1), np.array([local]), np.array([0.005]), 0.0), 0, 0)[-1]
        for local in (0.0, 0.04)
    )
    assert without > 0.09
    assert with_it < 0.03


def test_folds_leave_out_what_lies_towards_the_target():
    n, d = np.meshgrid(np.geomspace(1e7, 1e9, 5), np.geomspace(1e9, 1e11, 4))
    columns = np.stack([n.ravel(), d.ravel()])
    axes = [axis_of(name, v) for name, v in zip("ND", columns, strict=True)]
    folds = folds_towards(axes, columns, np.array([[1e11], [1e10]]))  # N beyond all, D among them
    assert folds is not None
    for seen, out in zip(folds.seen[1:], folds.ahead[1:], strict=True):
        assert columns[0, out].min() >= columns[0, seen > 0].max()
    assert folds_towards(axes, columns, np.exp(np.log(columns).mean(axis=1))[:, None]) is None


@pytest.mark.public
def test_splits_inside_read_training_rows_alone(public_data, monkeypatch):
    """Each row of the training file stands in one part; those that are forecast are the ones nearest to the test's."""
    monkeypatch.setenv("FLPJAX_DATA", str(public_data))
    task = TASKS["moe"]
    published, inside = (split_of(task, False, here) for here in (False, True))
    loss = task.targets[0]
    both = np.concatenate([inside.offered[loss], inside.wanted[loss]])
    np.testing.assert_array_equal(np.sort(both), np.sort(published.offered[loss]))
    assert 0.1 < len(inside.wanted[loss]) / len(both) < 0.2
    n = [np.log(part["params"]).mean() for part in (inside.offered, inside.wanted, published.wanted)]
    assert n[0] < n[1] < n[2]
    assert inside.points.columns.shape == (2, len(both))


def test_means_and_published_figures_are_shown():
    assert set(PUBLISHED) == set(TASKS)
    figures = {
        task: {
            **{str(s): 0.9 for s in SHARES}, "random": [0.1, 0.2, 0.3], "published": PUBLISHED[task],
            "rows": [16, 48, 80], "seconds": 50.0,
        }
        for task in TASKS
    }  # fmt: skip
    text = show(figures)
    mean = next(line for line in text.split("\n") if "mean of 6" in line)
    assert "0.90 / 0.90 / 0.90" in mean
    assert "0.48 / 0.71 / 0.80" in mean  # of the published best: as in the issue and the paper's table
