"""Discovery of laws over columns: what it finds where the truth is known, and what it refuses."""

import json
import re

import jax
import numpy as np
import pytest

from flpjax.cli.app import main
from flpjax.errors import InputError
from flpjax.fitting.lawsearch.columns import Table, unread
from flpjax.fitting.lawsearch.folds import folds_of
from flpjax.fitting.lawsearch.powersum import SLOTS, PowerSum, tables_of
from flpjax.fitting.lawsearch.proposer import propose
from flpjax.fitting.lawsearch.search import discover_law
from flpjax.fitting.lawsearch.starts import carried
from flpjax.fitting.lawsearch.structure import (
    Monomial,
    Structure,
    Term,
    as_law,
    axis_of,
    basis,
    constants,
    formula,
)
from flpjax.fitting.lawsearch.trials import LACK, MISFIT, OPPOSED, PRICE, ranking, values
from flpjax.ladder.features import Features

SIZE, NOISE = 67, 0.003
KEY = jax.random.key(0)
EMPTY = {name: np.ones(0) for name in ("n", "width", "idle", "loss", "name")}


def truth(n, width):
    return 1.5 + 300.0 * n**-0.35 + 4.0 * width**-0.8


@pytest.fixture(scope="module")
def rows():
    """Two columns whose powers add up, and one that does nothing."""
    rng = np.random.default_rng(7)
    n, width, idle = np.exp(rng.uniform(16.0, 21.0, SIZE)), np.exp(rng.uniform(3.0, 7.0, SIZE)), rng.uniform(1, 9, SIZE)
    loss = truth(n, width) * np.exp(NOISE * rng.standard_normal(SIZE))
    return {"n": n, "width": width, "idle": idle, "loss": loss}


@pytest.fixture(scope="module")
def found(rows):
    return discover_law(rows, "loss", KEY, rounds=2, per_round=11)


def test_the_law_is_found_and_extrapolates(found):
    ahead = {"n": np.full(4, 5e10), "width": np.array([30.0, 300.0, 3000.0, 9000.0]), "idle": np.full(4, 3.0)}
    there = truth(ahead["n"], ahead["width"])
    forecasts = found.predict(ahead)
    np.testing.assert_allclose(forecasts.median, there, rtol=0.02)
    assert ((forecasts.lower <= there) & (there <= forecasts.upper)).all()
    first = found.members[0].structure
    assert {m.i for t in first.terms for m in t.monomials} >= {0, 1}
    assert found.noise[0] < 2.0 * NOISE


def test_intervals_widen_with_the_level_and_beyond_the_rows(found):
    inside = {"n": np.array([1e8]), "width": np.array([100.0]), "idle": np.array([3.0])}
    wide, narrow = found.predict(inside, level=0.99), found.predict(inside, level=0.5)
    assert wide.lower < narrow.lower < narrow.median < narrow.upper < wide.upper
    far = found.predict({**inside, "n": np.array([1e12])})
    near = found.predict(inside)
    assert np.log(far.upper / far.lower) > np.log(near.upper / near.lower)


def test_a_number_must_pay_for_itself(found):
    for trial in found.log:
        judged = trial.error ** (1.0 - MISFIT) * trial.misfit**MISFIT
        dearer = (1.0 + PRICE * trial.structure.complexity) * (1.0 + OPPOSED * trial.opposed)
        assert trial.price == pytest.approx(judged * dearer)
    prices = [trial.price for trial in found.log]
    assert prices == sorted(prices)
    assert found.members[0].structure == found.log[0].structure


def test_along_one_column_what_misses_the_rows_is_passed_over(found):
    good, lucky = found.log[0], found.log[-1]._replace(price=0.5 * found.log[0].price)
    lucky = lucky._replace(misfit=2.0 * LACK * good.misfit)
    assert ranking([good, lucky], alone=False)[0] is lucky
    first, second = ranking([good, lucky], alone=True)
    assert first == good
    assert second.price == pytest.approx(4.0 * lucky.price)


def test_a_third_of_the_rows_is_left_over(rows):
    few = {name: values[:9] for name, values in rows.items() if name != "idle"}
    assert max(t.structure.size for t in discover_law(few, "loss", KEY, rounds=3, per_round=11).log) <= 6
    large = Structure((Term(tuple(Monomial(kind, i) for kind in ("slope", "square", "saturating") for i in (0, 1))),))
    with pytest.raises(InputError, match="no law was proposed that 9 rows can carry"):
        discover_law(few, "loss", KEY, proposer=lambda *_: [large])


def test_the_same_seed_finds_the_same(rows, found):
    again = discover_law(rows, "loss", KEY, rounds=2, per_round=11)
    assert [m.structure for m in again.members] == [m.structure for m in found.members]
    other = {"n": np.array([1e9]), "width": np.array([50.0]), "idle": np.array([2.0])}
    np.testing.assert_array_equal(again.predict(other).median, found.predict(other).median)


def test_what_is_found_is_a_law_of_ours_too(found, rows):
    """Its formula, read back, is what the search fitted."""
    member = found.members[0]
    axes = found.problem.axes
    law = as_law(member.structure, axes, False)
    assert set(law.inputs()) <= {"n", "width", "idle"}
    assert str(law)
    x = Features({name: np.log(rows[name]) for name in ("n", "width", "idle")})
    centred = law.centred(x)
    assert set(centred.order) == set(centred.roles)
    columns = np.stack([rows[name] for name in ("n", "width", "idle")])[None]
    tables = tables_of([member.structure], axes, columns)
    fitted = values(PowerSum(), member.vector[None], *tables)[0, 0]
    np.testing.assert_allclose(fitted, rows["loss"], rtol=0.02)
    at = law.from_constants(found.constants_of(member)["loss"])
    np.testing.assert_allclose(jax.vmap(law.apply, (None, 0))(at, x), fitted, rtol=1e-6)


def test_every_structure_is_written_as_a_law_and_read_back():
    axes = [axis_of(name, np.exp(np.linspace(1.0, 4.0, 9))) for name in ("a", "b")] + [
        axis_of("mix/code", np.linspace(0.0, 0.5, 9))  # a canonical table's: its formula was refused
    ]
    seen = propose([], axes, False)
    more = propose(seen[1:3], axes, False)
    assert len({s.same() for s in more}) == len(more)
    seen += more
    for structure in seen:
        law = as_law(structure, axes, False) if structure.size > 1 else None
        if law is not None:
            assert len(law.order) == structure.size
            assert formula(structure, axes) == law.text


def test_a_child_starts_where_its_parent_ended(found):
    parent = found.log[0]
    child = Structure((*parent.structure.terms, Term((Monomial("slope", 2),))))
    vector = carried(child, parent, np.log([0.1]))
    np.testing.assert_array_equal(vector[:, : parent.structure.size], parent.vector[:, : parent.structure.size])
    assert vector.shape == (1, SLOTS)


def test_folds_leave_out_the_largest_of_each_column():
    columns = np.stack([np.repeat([1.0, 2.0, 4.0, 8.0], 5), np.tile([1.0, 10.0, 100.0, 1e3, 1e4], 4)])
    folds = folds_of([axis_of("a", columns[0]), axis_of("b", columns[1])], columns, None)
    assert folds.names[:2] == ("all rows", "the largest of a")
    assert (columns[0][folds.ahead[1]] == 8.0).all()
    assert (folds.seen + folds.ahead == 1.0).all()


def test_folds_hold_the_largest_of_every_group_whatever_its_order():
    n = np.exp(np.linspace(15.0, 20.0, 12))
    group = np.repeat(["up", "down", "short"], [12, 12, 8])
    columns = {"n": np.r_[n, n[::-1], n[:8]], "group": group}
    columns["loss"] = 1.0 + 40.0 * columns["n"] ** -0.25
    problem = Table.of(columns, ["loss"], None, "group", None).whole
    for cell, weight in zip(problem.columns[:, 0], problem.weight > 0, strict=True):
        ahead = problem.folds.ahead[1] & weight
        assert ahead.any()
        assert cell[ahead].min() > cell[~problem.folds.ahead[1] & weight].max()


@pytest.mark.parametrize(
    ("n", "level", "message"),
    [(0.0, 0.9, "got 0 in row 1"), (np.nan, 0.9, "got nan in row 1"), (1e9, 1.5, "the level is 1.5")],
)
def test_rows_that_can_not_be_forecast_are_refused(found, n, level, message):
    with pytest.raises(InputError, match=message):
        found.predict({"n": np.array([n]), "width": np.array([50.0]), "idle": np.array([2.0])}, level=level)


def test_groups_and_several_losses_share_a_structure():
    rng = np.random.default_rng(2)
    share = rng.uniform(0.0, 1.0, 24)
    group = np.repeat(["small", "large"], 12)
    level = np.where(group == "small", 3.0, 2.0)
    columns = {"share": share, "group": group, "one": level + np.exp(-3.0 * share), "two": level - 0.5 * share}
    found = discover_law(columns, ["one", "two"], KEY, group="group", rounds=1)
    forecasts = found.predict({"share": np.array([0.5, 0.5])}, ["small", "large"])
    np.testing.assert_allclose(forecasts.median, [[3.223, 2.75], [2.223, 1.75]], rtol=0.02)
    assert set(found.constants_of(found.members[0])) == {"small: one", "small: two", "large: one", "large: two"}
    with pytest.raises(InputError, match="there is no group 'middle'"):
        found.predict({"share": np.array([0.5])}, ["middle"])


def test_losses_may_be_negative():
    n = np.exp(np.linspace(15.0, 20.0, 20))
    found = discover_law({"n": n, "loss": 80.0 * n**-0.25 - 4.0}, "loss", KEY, rounds=1)
    ahead = np.array([3e9])
    np.testing.assert_allclose(found.predict({"n": ahead}).median, 80.0 * ahead**-0.25 - 4.0, rtol=0.02)


def test_scores_that_turn_are_followed_to_where_they_level_off():
    """Scores that fall and rise again, of a column that is a logarithm already: forecasts go on as the end did."""
    x = np.linspace(-2.0, 3.0, 51)
    scores = -0.6 - 0.4 * np.exp(-(((x - 0.2) / 0.6) ** 2)) + 0.5 / (1.0 + np.exp(-(x - 1.6) / 0.4))
    seen = x < 2.0
    found = discover_law({"log flops": x[seen], "score": scores[seen]}, "score", KEY, rounds=4)
    assert found.problem.folds.names[1:] == ("the largest of log flops",) * 4
    error = found.predict({"log flops": x[~seen]}).median - scores[~seen]
    assert np.abs(error).max() < 0.5 * (scores[~seen] - scores[seen].min()).min()


def test_terms_are_taken_away_only_from_values_that_may_be_negative():
    axes = (axis_of("n", np.geomspace(1e6, 1e9, 7)),)
    signs = {
        signed: {t.sign for s in propose(propose((), axes, signed), axes, signed) for t in s.terms}
        for signed in (False, True)
    }
    assert signs == {False: {1}, True: {-1, 0, 1}}
    assert all(any(t.sign >= 0 for t in s.terms) for s in propose((), axes, True))


def test_of_costs_only_the_order_counts(rows):
    """FLOPs; their logarithms, which may be negative; a base model, of rows of fine-tuning, cost nothing."""
    few, n = {name: rows[name] for name in ("n", "loss")}, rows["n"]
    costs = n, np.log(n) - 18.0, np.where(n > n.min(), n, 0.0)
    problems = [Table.of(few, ["loss"], None, None, cost).whole for cost in costs]
    for problem in problems[1:]:
        np.testing.assert_array_equal(problem.folds.ahead, problems[0].folds.ahead)


def test_a_cost_that_is_all_there_is_explains(rows):
    few = {name: rows[name] for name in ("n", "loss")}
    assert Table.of(few, ["loss"], None, None, "n").names == ("n",)
    assert Table.of({**few, "idle": rows["idle"]}, ["loss"], None, None, "n").names == ("idle",)


def test_only_mixtures_are_interpolated():
    share = np.linspace(0.0, 0.4, 20)
    n = np.geomspace(1e6, 1e9, 20)
    logs = np.linspace(-3.0, 2.0, 20)
    for columns, interpolated in (([share], True), ([share, 1 - share], True), ([share, n], False), ([logs], False)):
        axes = [axis_of(str(i), c) for i, c in enumerate(columns)]
        names = folds_of(axes, np.stack(columns), None).names
        assert any(name.startswith("every") for name in names) == interpolated


def test_a_level_that_sets_in_within_the_rows_is_found():
    """Bits of weights: a power of parameters that count in full from 8 bits on."""
    axes = (axis_of("bits", np.array([3.0, 4.0, 5.0, 6.0, 8.0, 12.0])),)
    structure = Structure((Term((Monomial("steep", 0),)),))
    vector = np.array([0.3, -0.8])
    text, x = formula(structure, axes), np.array([3.0, 7.0, 12.0])
    numbers = constants(structure, axes, vector)
    rate = float(text.split("^-")[1].split(")")[0])
    assert rate == pytest.approx(1.0 / axes[0].spread, rel=0.05)
    by_hand = numbers["A0"] * np.exp(numbers["a0"] * (1.0 - (x / np.exp(axes[0].centre)) ** -rate))
    features = np.stack([basis(axes, x[None], m) for m in (None, Monomial("steep", 0))], axis=1)
    np.testing.assert_allclose(np.exp(features @ vector), by_hand, rtol=1e-12)


def test_a_power_that_sets_in_within_the_rows_is_written_as_it_is_fitted():
    """Of amounts ``(1 + x/c)^b``, of a column that is a logarithm already ``(1 + e^z)^b``: slopes from 0 to b."""
    amounts, logs = np.geomspace(1e2, 1e8, 9), np.linspace(-2.0, 3.0, 9)
    for axis, x in ((axis_of("n", amounts), amounts), (axis_of("log flops", logs), logs)):
        structure = Structure((Term((Monomial("break", 0),)),))
        vector = np.array([0.3, -0.8])
        numbers = constants(structure, (axis,), vector)
        text = formula(structure, (axis,))
        assert str(as_law(structure, (axis,), False))
        by_hand = eval(  # of our own text
            re.sub(r"\{[\w ]+\}", "x", text).replace("^", "**"), {**numbers, "x": x, "exp": np.exp}
        )
        features = np.stack([basis((axis,), x[None], m) for m in (None, Monomial("break", 0))], axis=1)
        np.testing.assert_allclose(np.exp(features @ vector), by_hand, rtol=1e-9)
        slope = np.diff(np.log(by_hand)) / np.diff(axis.departure(x))
        assert abs(slope[0]) < 0.1 * abs(slope[-1])
        assert (np.diff(np.abs(slope)) > 0.0).all()


def test_breaks_are_proposed_of_a_column_alone_with_levels_on_both_sides():
    few, many = axis_of("n", np.geomspace(1e6, 1e9, 4)), axis_of("samples", 2.0 ** np.arange(10))

    def kinds(*axes):
        return {m.kind for s in propose(propose((), axes, False), axes, False) for t in s.terms for m in t.monomials}

    assert {"break", "steep"} <= kinds(many)
    assert not {"break", "steep"} & (kinds(few) | kinds(few, many))


@pytest.mark.parametrize(
    ("change", "how", "message"),
    [
        ({}, {"targets": "lost"}, "there is no column 'lost'"),
        ({}, {"targets": []}, "there is nothing to explain"),
        (
            EMPTY,
            {"targets": "loss"},
            "the table has 0 rows",
        ),
        ({}, {"targets": "loss", "features": ["n", "wide"]}, "there is no column 'wide'"),
        ({}, {"targets": "loss", "rounds": 0}, "0 rounds"),
        ({"n": np.r_[np.nan, np.ones(SIZE - 1)]}, {"targets": "loss"}, "no finite value in row 1"),
        ({}, {"targets": "loss", "group": "name"}, "has 1 rows"),
        ({}, {"targets": "loss", "features": ["name"]}, "column 'name' is not of numbers"),
        ({}, {"targets": "loss", "cost": np.full(SIZE, np.inf)}, "no finite value in row 1"),
        ({"n": np.ones(SIZE)}, {"targets": "loss", "features": ["n"]}, "no feature varies"),
    ],
)
def test_bad_columns_are_one_clear_error(rows, change, how, message):
    columns = {**rows, "name": np.array([f"r{i}" for i in range(SIZE)], object), **change}
    with pytest.raises(InputError, match=message):
        discover_law(columns, key=KEY, **how)


def test_amounts_that_may_be_0_are_shifted_by_the_least_and_shares_are_not():
    amounts = np.array([0.0, 200.0, 4e3, 8e4, 1.6e6])
    axis = axis_of("rows", amounts)
    assert (axis.logarithm, axis.shift) == (True, 200.0)
    np.testing.assert_allclose(axis.departure(amounts), np.log(amounts + 200.0) - axis.centre)
    power = Structure((Term((Monomial("slope", 0),)),))
    assert formula(power, (axis,)).startswith("A0*(({rows} + 200)/")
    assert not axis_of("share", np.array([0.0, 0.001, 1.0])).logarithm
    assert not axis_of("layers frozen", np.arange(9.0)).logarithm
    linear = axis_of("tokens left", np.array([-5.0, 1e5, 3e5]))
    assert formula(power, (linear,)) == "A0*exp(a0*({tokens left} - 100000))"


def test_on_the_command_line(rows, tmp_path, capsys):
    table, ahead, out = tmp_path / "runs.csv", tmp_path / "ahead.csv", tmp_path / "found.json"
    names = ("n", "width", "loss")
    lines = [",".join(names), *(",".join(str(float(rows[c][i])) for c in names) for i in range(SIZE))]
    table.write_text("\n".join(lines))
    ahead.write_text("n,width\n5e10,300\n")
    with pytest.raises(SystemExit, match="0"):
        main(f"discover {table} --target loss --predict {ahead} --rounds 1 --json {out}".split())
    shown = capsys.readouterr().out
    assert "laws tried" in shown
    assert "Forecasts" in shown
    assert f"to be fitted again: --law 'found={json.loads(out.read_text())['laws'][0]['formula']}'" in " ".join(
        shown.split()
    )
    document = json.loads(out.read_text())
    assert document["predictions"]["median"][0] == pytest.approx(truth(5e10, 300.0), rel=0.02)
    assert document["laws"][0]["formula"].count("{") >= 2


def test_columns_of_kinds_are_not_read_and_are_named():
    columns = {
        "run": ["a", "a", "b", "b"], "name": list("wxyz"), "optimiser": ["adam", "sgd"] * 2, "norm": [True, False] * 2,
        "host": ["here"] * 4, "n": [1e8, 2e8, 3e8, 4e8], "loss": [3.0, 2.9, 2.8, 2.7],
    }  # fmt: skip
    assert unread(columns) == ["optimiser", "norm"]
    assert unread(columns, "optimiser") == ["norm"]
