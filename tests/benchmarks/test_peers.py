"""The solvers that the engine is compared with: from good starts each reaches the optimum, by its own settings."""

import sys

import jax
import numpy as np
import pytest

from benchmarks.chinchilla import OBJECTIVE, OPTIMUM, points, residual, start_grid
from benchmarks.engine import peers
from flpjax.engine.moments import rho
from flpjax.errors import InputError, PrecisionError

pytestmark = pytest.mark.public
FITS = 3


@pytest.fixture(scope="module")
def data(public_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLPJAX_DATA", str(public_data))
        return points()


@pytest.fixture(scope="module")
def near():
    optimum = np.array([*(np.log(OPTIMUM[name]) for name in "ABE"), OPTIMUM["alpha"], OPTIMUM["beta"]])
    return optimum * (1.0 + 0.02 * np.random.default_rng(3).standard_normal((FITS, 5)))


@pytest.mark.parametrize("name", peers.PEERS)
def test_each_reaches_the_optimum_and_its_figures_agree(name, data, near):
    if name.startswith("optimistix"):
        pytest.importorskip("optimistix")
    peer = peers.PEERS[name](data, near)
    assert (peer.name, peer.fits, peer.starts_agree) == (name, FITS, 1.0)
    assert peer.objective == pytest.approx(OBJECTIVE, rel=1e-6)
    assert peer.seconds > 0
    assert peer.compile_s >= 0
    assert peer.per_fit_us == pytest.approx(1e6 * peer.seconds / FITS)
    assert peer.extrapolated_s == pytest.approx(peer.seconds / FITS * 4500)
    assert peer.note.startswith("sample; ")


def test_the_gradient_by_hand_is_jaxs(data, near):
    """At starts of the grid too, where one term may be all there is."""
    plain = peers.Plain(data)
    exact = jax.jit(jax.value_and_grad(lambda vector: rho(residual(vector, data), peers.HUBER).sum()))
    for vector in (*near, *start_grid()[::499]):
        value, gradient = plain(vector)
        np.testing.assert_allclose(value, exact(vector)[0], rtol=1e-12)
        np.testing.assert_allclose(gradient, exact(vector)[1], rtol=1e-9, atol=1e-15)


def test_half_the_sum_of_squared_roots_is_the_objective(data, near):
    for vector in (*near, *start_grid()[::499]):
        roots = peers.square_root(vector, data)
        assert 0.5 * float(roots @ roots) == pytest.approx(float(peers.objective(vector, data)), rel=1e-12)


def test_starts_that_end_elsewhere_are_counted(data, near):
    ends = np.array([near[0], np.full(5, np.nan), np.full(5, np.nan)])
    peer = peers._peer("scipy", data, ends, 0.0, 1.0, "done")
    assert peer.starts_agree == 0.0
    assert peer.objective == pytest.approx(peers.Plain(data)(near[0])[0])
    assert peer.note == "sample; done; 100% of the starts ended elsewhere, at a median of inf × the lowest"


def test_measure_takes_nested_samples_of_the_grid(data, monkeypatch):
    monkeypatch.setattr(peers, "PEERS", {name: lambda _, starts: starts for name in peers.PEERS})
    small, large = (peers.measure(["scipy"], data, size)[0] for size in (5, {"scipy": 11}))
    np.testing.assert_array_equal(small, large[:5])
    assert {tuple(start) for start in large} <= {tuple(start) for start in start_grid()}
    assert [len(starts) for starts in peers.measure(list(peers.SAMPLE), data)] == list(peers.SAMPLE.values())


def test_what_can_not_be_measured_is_refused(data, near, monkeypatch):
    with pytest.raises(InputError, match=r"no peer 'scypi'.*Did you mean 'scipy'"):
        peers.measure(["scypi"], data)
    with pytest.raises(InputError, match="a sample of 0"):
        peers.measure(["scipy"], data, 0)
    monkeypatch.setitem(sys.modules, "optimistix", None)
    with pytest.raises(InputError, match=r"not installed.*flpjax\[bench\]"):
        peers.optimistix_lm(data, near)
    with jax.enable_x64(False), pytest.raises(PrecisionError, match="scipy_lbfgsb needs float64"):
        peers.scipy_lbfgsb(data, near)
