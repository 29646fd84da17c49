"""Terms of found laws that pull against what all rows show."""

import jax
import numpy as np
import pytest

from flpjax.fitting.lawsearch import trials
from flpjax.fitting.lawsearch.columns import Table
from flpjax.fitting.lawsearch.opposed import opposed
from flpjax.fitting.lawsearch.powersum import SLOTS
from flpjax.fitting.lawsearch.search import discover_law
from flpjax.fitting.lawsearch.structure import Monomial, Structure, Term, prior_sd

N = np.geomspace(1e6, 1e9, 40)
POWERS = Structure((Term((Monomial("slope", 0),)), Term((Monomial("slope", 0),))))
BOWL = Structure((Term(), Term((Monomial("slope", 0), Monomial("square", 0)))))


def problem_of(**columns):
    table = Table.of({**columns, "loss": np.linspace(3.0, 2.0, len(N))}, ["loss"], list(columns), None, None)
    return table.problem(np.random.default_rng(0))


def share_of(problem, structure, *exponents):
    """Of terms of level 1 with these exponents of their monomials."""
    values, given = [], iter(exponents)
    for _, monomial in structure.slots():
        values.append(0.0 if monomial is None else next(given) / prior_sd(problem.axes, monomial))
    vector = np.zeros((1, 1, SLOTS))
    vector[0, 0, : len(values)] = values
    return float(opposed(problem, [structure], vector)[0])


def test_powers_that_fall_together_agree():
    assert share_of(problem_of(n=N), POWERS, -0.4, -0.1) == 0.0
    assert share_of(problem_of(n=N), POWERS, 0.4, 0.1) == 0.0


def test_a_power_that_rises_while_the_loss_falls_is_opposed_by_its_share_of_the_slopes():
    problem = problem_of(n=N)
    z = problem.axes[0].departure(N) / problem.axes[0].spread
    fall, rise = 0.4 * np.exp(-0.4 * z), 0.02 * np.exp(0.02 * z)
    assert (fall > rise).all()
    assert share_of(problem, POWERS, -0.4, 0.02) == pytest.approx(rise.sum() / (rise + fall).sum(), rel=1e-3)
    assert share_of(problem, POWERS, 0.4, -0.02) > 0.0  # nor may one fall of a sum that rises


def test_where_the_sum_turns_terms_may_differ():
    assert share_of(problem_of(n=N), POWERS, -0.4, 0.4) == 0.0
    assert share_of(problem_of(n=N), BOWL, 0.0, 0.3) == 0.0


def test_shares_of_a_mixture_may_pull_both_ways():
    shares = np.linspace(0.0, 1.0, len(N))
    both = Structure((Term((Monomial("slope", 0),)), Term((Monomial("slope", 0),))))
    assert share_of(problem_of(share=shares), both, -0.4, 0.02) == 0.0


def test_laws_that_turn_beyond_the_rows_are_passed_over(monkeypatch):
    """Five sizes, and noise in which a floor and a power that rises slowly can not be told apart."""
    rng = np.random.default_rng(4)
    n, e = (g.ravel() for g in np.meshgrid(np.geomspace(1.6e7, 3.7e8, 5), np.exp2([0.0, 3, 6, 9]), indexing="ij"))
    loss = 1.9 + 1.2 * (n / 1.6e7) ** -0.3 * e**-0.08 + 0.02 * rng.standard_normal(len(n))

    def of_members():
        table = {"params": n, "experts": e, "loss": loss}
        found = discover_law(table, "loss", jax.random.key(0), cost=n, rounds=4, per_round=40)
        assert max(t.opposed for t in found.log) > 0.1  # such laws were tried
        return sum(m.weight * m.trial.opposed for m in found.members)

    assert of_members() < 0.005
    monkeypatch.setattr(trials, "OPPOSED", 0.0)
    assert of_members() > 0.01
