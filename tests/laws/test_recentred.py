"""One law in place of several with centres of their own: the same values, or none where it can't be."""

import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.ladder.features import Features
from flpjax.laws.formula.make import law
from flpjax.laws.law import size, unpack
from flpjax.laws.loss_score import Linear, Sigmoid
from flpjax.laws.network import DomainLinear
from flpjax.laws.power_law import Chinchilla, PowerLaw
from flpjax.laws.recentred import Recentred, recentred
from flpjax.laws.repeated import Repeated

RNG = np.random.default_rng(5)
ROWS = [
    Features.of_logs(
        *(RNG.normal(middle, 1.0, 11) + shift for middle in (20.0, 24.0, 46.0)), unique_tokens=RNG.normal(24.0, 1.0, 11)
    )
    for shift in (0.0, 1.3, -2.2)
]
LOSSES = [RNG.normal(middle, 0.1, 11) for middle in (2.4, 3.1, 3.6)]
PAIRS = [RNG.normal(middle, 0.1, (11, 3)) for middle in (2.4, 3.1, 3.6)]


@pytest.mark.parametrize(
    ("form", "rows"),
    [
        (PowerLaw(), ROWS),
        (Chinchilla(), ROWS),
        (Repeated(Chinchilla()), ROWS),
        (Linear(), LOSSES),
        (Sigmoid(), LOSSES),
        (DomainLinear(), PAIRS),
    ],
)
def test_it_is_each_of_the_laws(form, rows):
    laws = [form.centred(x) for x in rows]
    assert len(set(laws)) == 3
    first = rows[0]
    row = Features.of_leaves(first.names, [v[0] for _, v in first.items()]) if isinstance(first, Features) else first[0]
    found = recentred(laws, row)
    assert found is not None
    one, numbers = found
    assert isinstance(one, Recentred)
    assert one.parameters() == laws[0].parameters()
    assert hash(one) == hash(recentred(laws[::-1], row)[0]), "whatever the ladders, the program is the same"
    vector = jnp.asarray(RNG.normal(0.0, 0.3, size(one)))
    for own, there in zip(laws, numbers, strict=True):
        params = unpack(own, vector)
        np.testing.assert_allclose(one.apply(params, (row, there)), own.apply(params, row), rtol=1e-14)
        assert one.at(there) == own


def test_what_differs_by_more_than_a_number_stays_apart():
    assert recentred([Linear(2.5), Linear(2.5)], 2.0) == (Linear(2.5), pytest.approx(np.zeros((2, 0))))
    assert recentred([Linear(2.5), Sigmoid()], 2.0) is None
    assert recentred([Sigmoid(upper=0.9), Sigmoid()], 2.0) is None
    formula = law("L = E + A / N^alpha + B / D^beta")
    apart = [formula.centred(x) for x in ROWS]
    row = Features.of_leaves(ROWS[0].names, [v[0] for _, v in ROWS[0].items()])
    found = recentred(apart, row)
    if found is not None:
        vector = jnp.asarray(RNG.normal(0.0, 0.3, size(formula)))
        np.testing.assert_allclose(
            found[0].apply(unpack(formula, vector), (row, found[1][1])), apart[1].apply(unpack(apart[1], vector), row)
        )
