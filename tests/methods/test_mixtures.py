"""What a ladder's mixtures can tell a law: too few are warned of, missing sources refused, and BiMix finds its own."""

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares

from flpjax.errors import InputError
from flpjax.fitting.point import point
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.laws.mixture_laws import BiMix, MixChinchilla, MixExponential
from flpjax.laws.mixture_loss import M2, M3, M4
from flpjax.laws.power_law import PowerLaw
from flpjax.methods.flpm import FLPM
from flpjax.methods.mixtures import check_mixtures, describe, distinct, own_first
from flpjax.results.forecast import forecast
from flpjax.results.target import Target

TWO, THREE = ("general", "code"), ("general", "code", "math")
LINE = [(0.8 - c, 0.2 * c + 0.1, 0.1 + 0.8 * c) for c in (0.0, 0.2, 0.4, 0.6)]  # one direction, all three vary
CORNERS = [(0.6, 0.2, 0.2), (0.2, 0.6, 0.2), (0.2, 0.2, 0.6)]


@pytest.fixture
def ladder(table):
    """One run a mixture, of two checkpoints; the losses do not matter."""

    def make(mixtures, sources=TWO, domains=("general",)):
        weights = np.asarray(mixtures, float)
        losses = {d: np.linspace(3.0, 2.0, 2 * len(weights)).reshape(-1, 2) for d in domains}
        columns = {f"mix/{s}": np.repeat(weights[:, i], 2) for i, s in enumerate(sources)}
        return table(losses, {}, **columns)

    return make


def by_code(*code):
    return [(1.0 - c, c) for c in code]


def test_a_ladder_without_sources_is_refused(table):
    text = (
        "by hand: there is no column 'mix/<source>'. Add the mixture weights of every run, or use a method without "
        "mixtures, such as 'flp'"
    )
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        check_mixtures(table({"general": np.array([[3.0, 2.0]])}, {}), M3())


@pytest.mark.parametrize("form", [M2(), M3(), M4(), MixExponential(), MixChinchilla()])
def test_one_mixture_for_all_is_warned_of(ladder, form):
    """Chen et al. 2024, §6.3: FLP-M on a fixed mix does worse than FLP, as domain losses are collinear."""
    (warning,) = check_mixtures(ladder(by_code(0.3, 0.3, 0.3, 0.3004)), form)
    assert warning.startswith("all runs have one mixture (general 0.7, code 0.3): domain losses then move together")
    assert "Chen et al. 2024, §6.3" in warning
    # The gap from .3 to .5 and the one from .1 to .3, each halved.
    assert "Add runs with other ratios, say code 0.2 and code 0.4; or use a method without mixtures" in warning


FEW = {
    "M4, two of three": (
        M4(),
        TWO,
        by_code(0.1, 0.5, 0.5, 0.1),
        "2 mixtures for M4, which needs 3",
        "0.3 and code 0.6",
    ),
    "MixExponential": (MixExponential(), TWO, by_code(0.2, 0.4), "2 mixtures for MixExponential, which needs 3", "0.3"),
    "M3, a source is fixed": (
        M3(3),
        THREE,
        [(0.6, 0.2, 0.2), (0.5, 0.3, 0.2), (0.3, 0.5, 0.2)],
        "3 mixtures for M3, which needs 3 in general position",
        "Add runs that vary math; or",
    ),
    "M4, two sources are fixed": (
        M4(4),
        (*THREE, "books"),
        [(0.5, 0.2, 0.2, 0.1), (0.4, 0.3, 0.2, 0.1)],
        "2 mixtures for M4, which needs 5 in general position",
        "Add runs that vary math, books; or",
    ),
    "M3, along one line": (M3(3), THREE, LINE, "4 mixtures for M3, which needs 3", "Add runs that vary sources indep"),
    "M4, no spare": (M4(3), THREE, CORNERS, "3 mixtures for M4, which needs 4", "Add runs that vary sources indep"),
}


@pytest.mark.parametrize("name", FEW)
def test_too_few_mixtures_are_warned_of_with_those_that_would_help(ladder, name):
    form, sources, mixtures, what, remedy = FEW[name]
    (warning,) = check_mixtures(ladder(mixtures, sources), form)
    assert warning.startswith(what)
    assert "can't be told apart" in warning
    assert remedy in warning


ENOUGH = {
    "M2": (M2(), TWO, by_code(0.1, 0.5)),
    "M3": (M3(), TWO, by_code(0.0, 0.5)),
    "M4": (M4(), TWO, by_code(0.1, 0.3, 0.5)),
    "M4 floor, zeros": (M4(floor=0.01), TWO, by_code(0.0, 0.3, 0.5)),
    "M1 does not read it": (PowerLaw(), TWO, by_code(0.3, 0.3)),
    "M3 of three": (M3(3), THREE, CORNERS),
    "M4 of three": (M4(3), THREE, [*CORNERS, (0.4, 0.3, 0.3)]),
    "corners of three": (MixChinchilla(3), THREE, np.eye(3)),
}


@pytest.mark.parametrize("name", ENOUGH)
def test_enough_mixtures_are_not_warned_of(ladder, name):
    form, sources, mixtures = ENOUGH[name]
    assert check_mixtures(ladder(mixtures, sources), form) == ()


@pytest.mark.parametrize("form", [M2(), M4(), BiMix()], ids=lambda f: type(f).__name__)
def test_a_source_without_compute_is_refused_with_three_remedies(ladder, form):
    runs = ladder(by_code(0.2, 0.0, 0.4, 0.0), domains=TWO)
    name = type(form).__name__
    text = (
        f"by hand, run 'r1': source 'code' has no compute, where {name} makes the loss zero or infinite (2 runs like "
        f"it). Give every source a floor ({name}(floor=0.01), a modelling choice; in names of methods '-floor'), "
        "leave those runs out (--exclude), or use a form that is finite there, such as M3"
    )
    for refused in (lambda: check_mixtures(runs, form), lambda: FLPM(form).bind(runs)):
        with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
            refused()
    kept = runs.without(["r1", "r3"])
    assert all("no compute" not in w for w in check_mixtures(kept, form))
    check_mixtures(runs, replace(form, floor=0.01))
    check_mixtures(runs, M3())


def test_what_bimix_does_not_read_may_be_zero(ladder):
    runs = ladder([(0.5, 0.5, 0.0), (0.3, 0.4, 0.3)], THREE, domains=TWO)
    check_mixtures(runs, BiMix())
    with pytest.raises(InputError, match="source 'math' has no compute"):
        check_mixtures(runs, M4())


def test_bimix_of_one_domain_reads_one_source(ladder):
    runs = ladder(by_code(0.0, 0.2, 0.3, 0.4, 0.5), domains=TWO)
    FLPM(BiMix(), domains=("general",)).bind(runs)


def test_distinct_mixtures_and_how_they_are_described():
    mix = np.array([[0.7, 0.3], [0.5, 0.5], [0.7004, 0.2996], [0.7, 0.3], [0.698, 0.302]])
    np.testing.assert_array_equal(distinct(mix), mix[[0, 1, 4]])
    assert describe(np.array([0.25, 0.0, 0.75]), THREE) == "math 0.75, general 0.25"


def test_own_source_first(ladder):
    runs = ladder(CORNERS, THREE)
    assert own_first(runs, ("math", "general", "code")) == ((2, 0, 1), (0, 1, 2), (1, 0, 2))
    text = (
        "by hand: loss domain 'wikipedia' has no source of the same name. BiMix knows each domain by its own source "
        "only: rename columns, leave the domain out, or use another form (sources: general, code, math)"
    )
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        own_first(runs, ("math", "wikipedia"))


def test_bimix_takes_each_domain_s_own_share(key):
    """Both domains, sources in either order, against least squares on the domain's own column."""
    runs = simulate_mixtures(5, checkpoints=1, sizes=("0.12B", "0.5B", "1B", "3B"), ratios=(0.1, 0.3, 0.5)).runs
    runs = replace(runs, tasks=(), score=runs.score[:, :0], stderr=runs.stderr[:, :0])
    swapped = replace(runs, sources=runs.sources[::-1], mix=runs.mix[:, ::-1].copy())
    method = FLPM(BiMix(), domains=("code", "general"))
    target = Target("t", 7e9, 1e12, mix={"general": 0.6, "code": 0.4})
    seen = [forecast(point(method, r, key), [target]).loss_draws[0, 0] for r in (runs, swapped)]
    np.testing.assert_allclose(seen[1], seen[0], rtol=1e-7)
    finals = runs.training().finals()
    log_tokens = np.log(finals.tokens / 1e11)

    def law(p, r, d):  # eq. 5 with A in B and C
        return np.log(np.exp(p[1] - np.exp(p[3]) * d) + np.exp(p[2])) - p[0] * np.log(r)

    for domain, value in zip(("code", "general"), seen[0], strict=True):
        r, y = finals.mix[:, runs.sources.index(domain)], np.log(finals.loss_of(domain))
        fit = least_squares(
            lambda p, r=r, y=y: law(p, r, log_tokens) - y, [0.05, -0.5, 0.3, -1.0], xtol=1e-15, ftol=1e-15, gtol=1e-15
        )
        own = {"general": 0.6, "code": 0.4}[domain]
        assert value == pytest.approx(np.exp(law(fit.x, own, np.log(1e12 / 1e11))), rel=1e-5)
