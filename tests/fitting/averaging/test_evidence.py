"""Evidence and draws of a law with a discrepancy, against dense Gaussian algebra where the law is affine."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from flpjax.fitting.averaging import evidence, host_climb
from flpjax.fitting.averaging.evidence import Fits, fit_outputs, fit_rows
from flpjax.fitting.averaging.hyperpriors import Grid, grid_of
from flpjax.fitting.averaging.rivals import Rivals
from flpjax.fitting.averaging.sampling import sample_outputs
from flpjax.fitting.averaging.sheet import Rows, columns, stacked
from flpjax.fitting.draws import unpack_all
from flpjax.ladder.features import Features
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import prior_normal, unpack
from flpjax.laws.loss_score import Sigmoid
from flpjax.laws.mixture_laws import M3E
from flpjax.laws.power_law import PowerLaw

C = np.linspace(40.0, 46.0, 14)
X = Features.of_logs(C - 24.0, C - 18.0, C)
LAW = Discrepancy(PowerLaw()).centred(X)
AHEAD = Features.of_logs(np.array([24.0, 26.0]), np.array([30.0, 32.0]), np.array([48.0, 50.0]))


def made(seed=0, effects=False):
    rng = np.random.default_rng(seed)
    y = 1.0 - 0.06 * (C - LAW.law.centre) + 0.002 * (C - 42.0) ** 2 + 0.003 * rng.standard_normal(len(C))
    seen = np.ones((3, len(C)), bool)
    seen[1, 10:], seen[2, 6:] = False, False
    run = np.arange(len(C)) // 2 if effects else np.arange(len(C))
    below = np.maximum(np.where(seen, C, -np.inf).max(axis=1)[:, None] - C, 0.0)
    return Rows(X, y, seen, run, below, np.full(len(C), 0.001 if effects else 0.0), effects, 0.0)


def dense(rows, grid, origin, point):
    """Mean and covariance of the rows seen, with the law's parameters integrated out, too."""
    loc, scale = prior_normal(LAW.law)
    design = np.stack([np.ones_like(C), C - LAW.law.centre], axis=1)
    table, cells = columns(LAW, rows)
    amplitude, noise = grid.amplitude[point], grid.noise[point]
    weights = np.r_[np.full(cells, amplitude**2), np.full(table.shape[1] - cells, noise**2)]
    variance = rows.within**2 + (noise * np.exp(grid.growth[point] * rows.below[origin])) ** 2
    covariance = design @ np.diag(scale**2) @ design.T + table @ np.diag(weights) @ table.T + np.diag(variance)
    return design, design @ loc, covariance


def counts(fits):
    """``(…, point)`` which fits are not behind the best of their law by so much that they may be given up."""
    return fits.log_evidence > fits.log_evidence.max(axis=-1, keepdims=True) - 15.0


@pytest.mark.parametrize("effects", [False, True])
def test_the_evidence_is_the_density_of_the_rows_seen(effects):
    rows, grid = made(effects=effects), grid_of("log")
    fits = fit_rows(LAW, "log", rows, grid, shift=-0.7)
    for origin in range(3):
        seen = rows.seen[origin]
        for point in range(0, len(grid.noise), 7):
            _, mean, covariance = dense(rows, grid, origin, point)
            exact = multivariate_normal.logpdf(rows.y[seen], mean[seen], covariance[np.ix_(seen, seen)])
            found = fits.log_evidence[origin, point] - grid.log_prior[point] + 0.7
            assert found == pytest.approx(exact, abs=2e-3)
    assert fits.converged[counts(fits)].all()
    assert not counts(fits).all()


@pytest.mark.parametrize("effects", [False, True])
def test_draws_are_those_of_gaussian_regression(effects):
    rows, grid = made(effects=effects), grid_of("log")
    fits = fit_rows(LAW, "log", rows, grid)
    origin, taken = 1, np.zeros((6000, 3), bool)
    taken[::3, 0], taken[:4000, 1], taken[:5, 2] = True, True, True
    together = Fits(*(np.stack([leaf] * 3) for leaf in fits))
    found = sample_outputs(
        LAW, "log", stacked(LAW, [rows] * 3), grid, together, origin, taken, np.random.default_rng(3)
    )
    params = jax.vmap(lambda v: unpack(LAW, v))(jnp.asarray(found.vectors[:4000, 1]))
    told = np.log(np.asarray(jax.vmap(lambda p: jax.vmap(lambda x: LAW.apply(p, x))(AHEAD))(params)))
    weight = np.exp(fits.log_evidence[origin] - logsumexp(fits.log_evidence[origin]))
    seen, means, squares = rows.seen[origin], 0.0, 0.0
    loc, scale = prior_normal(LAW.law)
    ahead = np.stack([np.ones(2), AHEAD.log_flops - LAW.law.centre], axis=1)
    basis = np.asarray(jax.vmap(LAW.basis)(AHEAD))
    table, _ = columns(LAW, rows)
    for point, share in enumerate(weight):
        design, mean, covariance = dense(rows, grid, origin, point)
        inverse = np.linalg.inv(covariance[np.ix_(seen, seen)])
        a = grid.amplitude[point]
        cross = ahead @ np.diag(scale**2) @ design[seen].T + a**2 * basis @ table[seen, : basis.shape[1]].T
        middle = ahead @ loc + cross @ inverse @ (rows.y - mean)[seen]
        prior = ahead @ np.diag(scale**2) @ ahead.T + a**2 * basis @ basis.T
        means = means + share * middle
        squares = squares + share * (np.diag(prior - cross @ inverse @ cross.T) + middle**2)
    sd = np.sqrt(squares - means**2)
    np.testing.assert_allclose(told.mean(axis=0), means, atol=0.08 * sd.max())
    np.testing.assert_allclose(told.std(axis=0), sd, rtol=0.1)
    assert found.noise.min() >= grid.noise.min()


def test_outputs_fitted_together_are_fitted_as_each_alone():
    grid = grid_of("log")
    each = [made(1), made(2, effects=True), made(3)]
    together = fit_outputs(LAW, "log", each, grid)
    for i, own in enumerate(each):
        alone = fit_rows(LAW, "log", own, grid)
        for name in ("theta", "hessian", "log_evidence"):
            np.testing.assert_allclose(getattr(together, name)[i], getattr(alone, name), rtol=1e-7, atol=1e-7)


def test_fits_of_many_sources_take_few_steps_and_those_given_up_have_no_weight(monkeypatch):
    """Gauss-Newton steps alone creep here: 50 a fit, most of them at noises that the rows rule out."""
    rng, runs, sources = np.random.default_rng(3), 60, 17
    mix = rng.dirichlet(np.full(sources, 0.5), runs)
    worth = np.exp(rng.normal(0.0, 1.5, sources))
    x = Features.of_logs(*np.repeat([[18.0], [22.0], [42.0]], runs, axis=1), mix)
    y = np.log(1.5 + (mix @ worth) ** -0.2) + 0.004 * rng.standard_normal(runs)
    seen = np.ones((2, runs), bool)
    seen[1, 47:] = False
    rows = Rows(x, y, seen, np.arange(runs), np.zeros(seen.shape), np.zeros(runs), False, 0.0)
    law, grid, evaluated = M3E().centred(x), grid_of("log", departs=False), []
    density = host_climb._density

    def counted(fitted, climbers, theta):
        evaluated.append(len(theta))
        return density(fitted, climbers, theta)

    monkeypatch.setattr(host_climb, "_density", counted)
    found = fit_rows(law, "log", rows, grid)
    fits = seen.shape[0] * len(grid.noise)
    assert sum(evaluated) < 20 * fits
    monkeypatch.setattr(Rivals, "lost", lambda self, fit, *_: np.zeros(len(fit), bool))
    to_the_end = fit_rows(law, "log", rows, grid)
    weights = [np.exp(f.log_evidence - logsumexp(f.log_evidence, axis=1, keepdims=True)) for f in (found, to_the_end)]
    np.testing.assert_allclose(*weights, atol=1e-4)
    assert found.converged[counts(to_the_end)].all()
    own, wanted = (fits.log_evidence[counts(to_the_end)] for fits in (found, to_the_end))
    np.testing.assert_allclose(own, wanted, atol=1e-3)


def test_compiled_steps_end_where_those_on_the_host_do(monkeypatch):
    grid = grid_of("log")
    each = [made(1), made(2, effects=True), made(3)]
    few = fit_outputs(LAW, "log", each, grid)
    monkeypatch.setattr(evidence, "MANY", 0)
    many = fit_outputs(LAW, "log", each, grid)
    assert (counts(many) == counts(few)).all()
    for name in ("theta", "hessian", "log_evidence"):
        found, wanted = (getattr(fits, name)[counts(fits)] for fits in (many, few))
        np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-7)
    assert many.converged[counts(many)].all()
    assert few.converged[counts(few)].all()


def test_a_row_that_is_not_seen_has_no_say():
    rows, grid = made(), grid_of("log")
    spoilt = rows._replace(y=np.where(np.arange(len(C)) >= 10, 9.0, rows.y))
    one, two = (fit_rows(LAW, "log", r, grid) for r in (rows, spoilt))
    np.testing.assert_allclose(two.log_evidence[1:], one.log_evidence[1:], rtol=1e-6)
    assert not np.allclose(two.log_evidence[0], one.log_evidence[0])


class Steep(PowerLaw):
    """A power law that overflows beyond a compute, with infinite slopes."""

    def apply(self, params, x):
        beyond = jnp.where(x.log_flops > 44.2, jnp.exp(800.0 * (2.0 + params["log_level"])), 1.0)
        return super().apply(params, x) * beyond


@pytest.mark.parametrize("many", [evidence.MANY, 0])
def test_a_row_that_is_not_seen_may_overflow(monkeypatch, many):
    monkeypatch.setattr(evidence, "MANY", many)
    grid = grid_of("log")
    steep = Discrepancy(Steep()).centred(X)
    one, two = (fit_outputs(law, "log", [made()], grid) for law in (LAW, steep))
    np.testing.assert_allclose(two.log_evidence[:, 1:], one.log_evidence[:, 1:], rtol=1e-9)
    assert not two.converged[:, 0].any()


def test_second_calls_trace_nothing(caplog):
    rows, grid = made(1), grid_of("log")
    fit_rows(LAW, "log", rows, grid)
    with jax.log_compiles():
        fit_rows(LAW, "log", made(2), grid)
    assert not [r.getMessage() for r in caplog.records if "Compiling" in r.getMessage()]


def test_ladders_of_other_lengths_and_more_outputs_share_programs(caplog):
    grid, rows = grid_of("log"), made(2)
    fit_rows(LAW, "log", rows, grid)
    few = 9
    cut = Rows(
        Features({name: v[:few] for name, v in rows.x.items()}),
        *(leaf[..., :few] for leaf in (rows.y, rows.seen, rows.run, rows.below, rows.within)),
        rows.effects,
        rows.measured,
    )
    with jax.log_compiles():
        fit_outputs(LAW, "log", [cut, made(3), made(4)], grid)
    assert not [r.getMessage() for r in caplog.records if "Compiling" in r.getMessage()]


def test_draws_of_a_map_are_those_of_its_density():
    """A sigmoid on a straight piece: far from normal. The truth is draws of the prior, weighed by the likelihood.

    Of a thousand proposals a hundred count; Laplace's approximation is off by 1.5 times the interval's width. Quantiles
    are off by .05 to .14 times it in the mean of 16 keys; one key says little, since its errors scatter by .06.
    """
    loss = np.array([3.6, 3.5, 3.4, 3.3, 3.2, 3.1, 3.0])
    law = Discrepancy(Sigmoid(), "linear").centred(loss)
    inner, ahead, noise = law.law, np.array([2.7, 2.3]), 0.02
    grid = Grid(np.array([1e-6]), np.array([noise]), np.zeros(1), np.zeros(1))
    y = 0.30 + 0.1 * (3.6 - loss) + noise * np.array([0.5, -1.0, 0.2, 0.9, -0.4, -0.6, 0.7])
    seen, zero = np.ones((1, len(loss)), bool), np.zeros((1, len(loss)))
    rows = Rows(loss, y, seen, np.arange(len(loss)), zero, zero[0], False, 0.0)
    fits = fit_outputs(law, "linear", [rows], grid)
    taken = np.ones((4000, 1), bool)
    found = [
        sample_outputs(law, "linear", stacked(law, [rows]), grid, fits, 0, taken, np.random.default_rng(key)).vectors[
            :, 0
        ]
        for key in range(16)
    ]

    def at(vectors, law, x):
        params = unpack_all(law, vectors)
        return np.asarray(jax.vmap(lambda p: jax.vmap(lambda v: law.apply(p, v))(x))(params))

    loc, scale = prior_normal(inner)
    many = loc + scale * np.random.default_rng(4).standard_normal((400_000, len(loc)))
    log_weight = -0.5 * (((at(many, inner, jnp.asarray(loss)) - y) / noise) ** 2).sum(axis=1)
    weight = np.exp(log_weight - log_weight.max())
    assert weight.sum() ** 2 / (weight**2).sum() > 3000.0
    told = np.array([at(each, law, jnp.asarray(ahead)) for each in found])
    exact = at(many, inner, jnp.asarray(ahead))
    for own, values in zip(np.moveaxis(told, 2, 0), exact.T, strict=True):
        order = np.argsort(values)
        share = np.cumsum(weight[order]) / weight.sum()
        wanted = np.interp([0.05, 0.25, 0.5, 0.75, 0.95], share, values[order])
        spread = wanted[-1] - wanted[0]
        off = np.quantile(own, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1).mean(axis=1) - wanted
        np.testing.assert_allclose(off, 0.0, atol=0.16 * spread)
