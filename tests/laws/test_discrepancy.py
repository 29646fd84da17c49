"""A law with a discrepancy: what the departure is, where it begins, and how it grows."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.ladder.features import Features
from flpjax.laws.discrepancy import BEYOND, RATIO, SHARES, Axis, Discrepancy
from flpjax.laws.law import size, unpack
from flpjax.laws.loss_score import Sigmoid
from flpjax.laws.network import DomainLinear
from flpjax.laws.power_law import Chinchilla, PowerLaw

N, D = np.geomspace(1e8, 3e9, 7), np.geomspace(4e9, 2e11, 7)
RUNS = Features.of_logs(np.log(N), np.log(D), np.log(6 * N * D))
WIDE = Discrepancy(Chinchilla()).centred(RUNS)


def row(x, i):
    return jax.tree.map(lambda leaf: leaf[i], x)


def vector(law, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(size(law)))


def test_a_loss_is_the_law_times_the_exponential_of_the_departure():
    params = unpack(WIDE, vector(WIDE)) | {"amplitude": jnp.asarray(0.01)}
    x = row(RUNS, 4)
    expected = float(WIDE.law.apply(params, x)) * np.exp(0.01 * float(WIDE.basis(x) @ params["curvature"]))
    assert float(WIDE.apply(params, x)) == pytest.approx(expected, rel=1e-12)
    still = params | {"curvature": 0.0 * params["curvature"]}
    assert float(WIDE.apply(still, x)) == pytest.approx(float(WIDE.law.apply(params, x)), rel=1e-15)


def test_a_score_is_the_map_plus_the_departure():
    losses = np.linspace(1.8, 3.9, 12)
    law = Discrepancy(Sigmoid(upper=1.0), "linear").centred(losses)
    params = unpack(law, vector(law)) | {"amplitude": jnp.asarray(0.2)}
    departure = float(law.apply(params, jnp.asarray(2.2)) - law.law.apply(params, jnp.asarray(2.2)))
    assert departure == pytest.approx(0.2 * float(law.basis(jnp.asarray(2.2)) @ params["curvature"]), rel=1e-9)
    assert np.all(np.asarray(law.basis(jnp.asarray(4.1))) == 0.0), "nothing above the highest loss"


def test_axes_are_c_and_what_the_law_reads_and_the_runs_vary():
    assert [axis.feature for axis in WIDE.axes] == ["flops", "params", "tokens", RATIO]
    assert [axis.share for axis in WIDE.axes] == list(SHARES.values())
    assert [axis.feature for axis in Discrepancy(PowerLaw()).centred(RUNS).axes] == ["flops"]
    one_size = RUNS.replace(params=np.full(7, 20.0))
    assert [axis.feature for axis in Discrepancy(Chinchilla()).centred(one_size).axes] == ["flops", "tokens", RATIO]
    one_ratio = RUNS.replace(tokens=RUNS.log_params + 3.0)
    assert RATIO not in [axis.feature for axis in Discrepancy(Chinchilla()).centred(one_ratio).axes]
    assert WIDE.axes[0].edges[-1] >= RUNS.log_flops.max() + BEYOND
    assert WIDE.inputs() == ("params", "tokens", "flops")
    of_losses = Discrepancy(DomainLinear((2.0, 3.0)), "linear").centred(np.array([[2.0, 3.0], [1.0, 2.5]]))
    assert [axis.feature for axis in of_losses.axes] == [""]
    assert Discrepancy(PowerLaw()).centred(row(RUNS, slice(0, 1))).axes == ()


def test_it_starts_flat_and_its_variance_is_that_of_an_integrated_wiener_process():
    """``d³/3`` at a distance d from the start (Rasmussen & Williams 2006, §6.3.1), at the edges of cells."""
    edges = tuple(np.linspace(0.0, 8.0, 33))
    law = replace(Discrepancy(PowerLaw()), axes=(Axis("flops", edges, 1.0),))
    for distance, tolerance in ((2.0, 0.01), (8.0, 0.001)):
        basis = np.asarray(law.basis(Features.of_logs((), (), jnp.asarray(distance))))
        assert basis @ basis == pytest.approx(distance**3 / 3.0, rel=tolerance)
    assert not np.asarray(law.basis(Features.of_logs((), (), jnp.asarray(-1.0)))).any()
    covariance = [np.asarray(law.basis(Features.of_logs((), (), jnp.asarray(d)))) for d in (3.0, 5.0)]
    assert covariance[0] @ covariance[1] == pytest.approx(3.0**2 * (3 * 5.0 - 3.0) / 6.0, rel=0.01)


def test_beyond_the_last_cell_the_last_slope_carries_on():
    law = replace(Discrepancy(PowerLaw()), axes=(Axis("flops", (0.0, 1.0, 2.0), 1.0),))
    values = np.array([np.asarray(law.basis(Features.of_logs((), (), jnp.asarray(d)))) for d in (2.0, 5.0, 8.0)])
    np.testing.assert_allclose(values[2] - values[1], values[1] - values[0], rtol=1e-12)


def test_similar_ladders_share_a_law():
    near = RUNS.replace(flops=RUNS.log_flops + 0.01, params=RUNS.log_params + 0.01)
    assert Discrepancy(Chinchilla()).centred(near) == WIDE
    assert hash(Discrepancy(Chinchilla()).centred(near)) == hash(WIDE)
