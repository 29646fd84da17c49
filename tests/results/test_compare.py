"""The paper's two ablations: rows for all, errors on held-out targets only."""

import json
from dataclasses import replace
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

import flpjax
from flpjax.cli.app import main
from flpjax.cli.show_mix import show_comparison
from flpjax.errors import InputError
from flpjax.fitting.discovery.discovery import discover
from flpjax.fitting.fit import check_carried, fit, mixing_method
from flpjax.fitting.point import point
from flpjax.fitting.predicted import predict
from flpjax.ladder.export import csv_of
from flpjax.ladder.features import Features
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.methods.at_target import at_target
from flpjax.methods.registry import mixed_stages
from flpjax.results.backtest import record_of
from flpjax.results.compare import MAPS, STAGES, compare
from flpjax.results.forecast import forecast
from flpjax.results.target import targets_of

FORMS = ("m1", "m2", "m3")
TASKS = ("bbh", "triviaqa")


def few(runs, tasks=TASKS):
    pick = [runs.task_names.index(t) for t in tasks]
    facts = tuple(runs.tasks[i] for i in pick)
    return replace(runs, tasks=facts, score=runs.score[:, pick], stderr=runs.stderr[:, pick])


@pytest.fixture(scope="module", autouse=True)
def _little_to_compile():
    """A blend of two members, whose law of losses ``compare`` fits besides, and one short round of discovery."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flpjax.methods.registry.MIXED", ("m3+domain-linear", "m3+domain-sigmoid"))
        for module in ("flpjax.results.compare", "flpjax.fitting.discovery.discovery"):
            patch.setattr(f"{module}.discover", partial(discover, rounds=1, per_round=3))
        yield


@pytest.fixture(scope="module")
def runs():
    return few(simulate_mixtures(0, checkpoints=3, sizes=("0.12B", "0.2B", "0.5B", "1B", "3B")).runs)


@pytest.fixture(scope="module")
def seen(runs, key):
    steps = []
    result = compare(runs, key, mixture_laws=FORMS, progress=steps.append)
    assert steps == [*FORMS, "flops", *MAPS, "discovery", *result.recommended.errors]
    return result


def moved(runs, held_out):
    """The losses of held-out runs, or of the others, a tenth higher."""
    rows = runs.held_out[runs.run] == held_out
    return replace(runs, loss=np.where(rows[:, None], 1.1 * runs.loss, runs.loss))


def test_every_form_and_map_has_a_row(seen, runs):
    assert {row.name for row in seen.laws} == set(FORMS)
    assert [row.name for row in seen.maps] == ["flops", *MAPS, "discovery"]
    for row in seen.laws:
        assert set(row.errors) == (set() if row.failed else set(runs.domains))
    for row in seen.maps:
        assert set(row.errors) == set(TASKS), row.name
        assert 0 < row.mean < 1
    means = [row.mean for row in seen.laws if row.mean is not None]
    assert means == sorted(means), "best first"
    assert seen.laws[-1].name == "m2", "failures last"
    assert seen.discovery is not None
    assert seen.held_out == runs.targets().names


def test_a_form_that_the_ladder_cannot_carry_says_why(seen):
    (row,) = [row for row in seen.laws if row.failed]
    assert (row.name, row.mean) == ("m2", None)
    assert "source 'code' has no compute, where M2 makes the loss zero or infinite" in row.failed


def test_errors_are_those_of_forecasts_of_the_targets(seen, runs, key):
    finals = runs.targets().finals()
    expected = forecast(point(mixed_stages("m3", "domain-linear"), runs, key), targets_of(runs.targets())).loss
    (row,) = [row for row in seen.laws if row.name == "m3"]
    for domain, error in row.errors.items():
        predicted = np.array([losses[domain].median for losses in expected])
        assert error == pytest.approx(np.mean(np.abs(predicted / finals.loss_of(domain) - 1)), rel=1e-6)


def test_what_held_out_runs_reached_changes_errors_and_no_fit(runs, key):
    """Losses of targets a tenth higher: the same predictions, against other numbers."""
    losses = few(runs, ())
    finals = losses.targets().finals()
    before, after = (
        compare(r, key, mixture_laws=("m3",), recommend=False).laws[0] for r in (losses, moved(losses, True))
    )
    predicted = forecast(point(mixed_stages("m3", "domain-linear"), losses, key), targets_of(losses.targets())).loss
    for domain in losses.domains:
        ratio = np.array([v[domain].median for v in predicted]) / finals.loss_of(domain)
        assert before.errors[domain] == pytest.approx(np.mean(np.abs(ratio - 1)), rel=1e-6)
        assert after.errors[domain] == pytest.approx(np.mean(np.abs(ratio / 1.1 - 1)), rel=1e-6)
    other = compare(moved(losses, False), key, mixture_laws=("m3",), recommend=False).laws[0]
    assert other.errors != before.errors, "while training rows change the fit"


def test_a_ladder_without_tasks_has_no_maps(runs, key):
    seen = compare(few(runs, ()), key, mixture_laws=("m1",), recommend=False)
    assert (seen.maps, seen.discovery, seen.recommended) == ((), None, None)


def test_a_ladder_without_mixtures_has_no_laws_of_them(runs, key):
    """There were eighteen lines of what was left out, and a table of nothing."""
    seen = compare(replace(few(runs), sources=(), mix=np.empty((len(few(runs)), 0))), key, recommend=False)
    assert seen.laws == ()
    assert [row.name for row in seen.maps] == ["flops", "discovery"]
    assert [sheet.title.split(",")[0] for sheet in show_comparison(seen)] == ["Loss → score"]


def test_json_and_table(seen):
    def no_constant(text):
        raise AssertionError(f"{text} is no JSON")

    parsed = json.loads(seen.to_json(), parse_constant=no_constant)
    assert [row["name"] for row in parsed["laws"]] == [row.name for row in seen.laws]
    assert parsed["laws"][-1]["failed"] == seen.laws[-1].failed
    assert (parsed["maps"][0]["failed"], parsed["laws"][-1]["mean"]) == (None, None)
    assert parsed["discovery"]
    rows = seen.to_dicts()
    assert len(rows) == sum(len(row.errors) for row in (*seen.laws, *seen.maps))
    assert {row["kind"] for row in rows} == {"law", "map"}
    assert "m3: " in str(seen)


def test_it_ends_in_what_to_use(seen, runs, key):
    """The best law with the best map, or the blend: by what each forecast of the targets from end to end."""
    best = min((row for row in seen.maps if row.name in STAGES), key=lambda row: row.mean)
    pair, found = f"{seen.laws[0].name}+{STAGES[best.name]}", seen.recommended
    assert set(found.errors) == {pair, "auto"}
    assert found.method == min(found.errors, key=found.errors.get)
    assert str(seen).endswith(str(found))
    assert str(found).startswith(f"Use --method {found.method}: its held-out error of scores is ")
    name, chosen = mixing_method(pair, 100)
    record = record_of(fit(chosen, runs, key, draws=100), runs)
    assert (name, found.errors[pair]) == (pair, pytest.approx(record.mean_abs_rel_error(), rel=1e-6))


def test_the_command_line_shows_it(seen, runs, tmp_path, monkeypatch, capsys):
    """The comparison above, of the same table as a file."""
    table, file = tmp_path / "two.csv", tmp_path / "compare.json"
    table.write_text(csv_of(runs), encoding="utf-8")

    def known(read, key, laws, progress):
        assert laws == {}
        assert (read.names, read.domains, read.task_names) == (runs.names, runs.domains, runs.task_names)
        assert read.targets().names == runs.targets().names
        for one, other in ((read.loss, runs.loss), (read.score, runs.score), (read.mix, runs.mix)):
            np.testing.assert_allclose(one, other, rtol=1e-12)
        progress("m2")
        return seen

    monkeypatch.setattr("flpjax.results.compare.compare", known)
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["compare", str(table), "--json", str(file)])
    out, err = capsys.readouterr()
    assert "Fitted on 25 runs; held out: 3B-code0, " in out
    for name in ("m3", "flops", *MAPS, "discovery"):
        assert f" {name} " in out
    assert err.count("left out: ") == 1
    assert "left out: m2: " in err
    result = json.loads(file.read_text())
    assert result.items() >= json.loads(seen.to_json()).items()
    assert [row["name"] for row in result["laws"] if row["failed"]] == ["m2"]
    assert all(np.isfinite(row["mean"]) for row in result["maps"])
    recommended = result["recommended"]
    assert recommended["method"] == min(recommended["errors"], key=recommended["errors"].get)
    said = " ".join(out.split())
    assert said.startswith(f"Use --method {recommended['method']}: its held-out error of scores is")
    assert mixing_method(recommended["method"], 7)[0] == recommended["method"]


def test_what_discovery_chose_can_be_used(runs, key):
    """By a law of one's choice, in `forecast` and in `mix`: each task by its own formula, within its scale."""
    _, chosen = mixing_method("m3+discovered", 21)
    assert chosen == flpjax.method("m3+discovered")
    draws = fit(chosen, runs, key, draws=21)
    assert set(draws.model.tasks) == set(TASKS)
    assert all(name == "m3" or name.startswith("discovered (") for name in draws.validation.weights)
    errors = [c.rel_error for c in record_of(draws, runs).scores]
    assert len(errors) == len(TASKS) * len(runs.targets().names)
    assert np.mean(np.abs(errors)) < 0.1
    target = targets_of(runs.targets())[0]
    size = Features.of_logs(*(jnp.log(getattr(target, what)) for what in ("params", "tokens", "flops")), ())
    whole, part = (
        predict(*m, Features.of_logs(*(v[None] for _, v in size.items()), np.array([[0.7, 0.3]])))
        for m in ((draws.model, draws.params), at_target(draws.model, draws.params, size))
    )
    np.testing.assert_allclose(part.score, whole.score, rtol=1e-9)
    with pytest.raises(InputError, match=r"^there is no law of mixtures 'm33'\. Did you mean 'm3'\?"):
        flpjax.method("m33+discovered")
    with pytest.raises(InputError, match=r"there is no column 'score/<task>', and discovery finds formulas of scores"):
        check_carried(chosen, few(runs, ()))
    with pytest.raises(InputError, match="discovered is a blend, which no single draw shows"):
        fit(chosen, runs, key, draws=0)


def test_the_text_of_a_failure_is_its_reason(seen):
    (row,) = [row for row in seen.laws if row.failed]
    assert f"m2: {row.failed}" in str(seen).splitlines()


def test_an_unknown_form_is_refused_before_anything_is_fitted(runs, key):
    told = []
    with pytest.raises(InputError, match=r"^there is no mixture law 'm33'\. Did you mean 'm3'\?"):
        compare(runs, key, mixture_laws=("m1", "m33"), progress=told.append)
    assert told == []


def test_nothing_held_out_is_refused(runs, key):
    with pytest.raises(InputError, match=r"no run is held out\. Errors are counted on held-out targets"):
        compare(runs.hold_out([]), key)
    with pytest.raises(InputError, match="all runs are held out"):
        compare(runs.hold_out("*"), key)


def test_laws_of_ones_own_have_a_row(runs, key):
    laws = {"line": flpjax.law("E + A*C^-a")}
    found = compare(few(runs, ()), key, mixture_laws=("m1",), laws=laws, recommend=False)
    errors = {row.name: row.mean for row in found.laws}
    assert set(errors) == {"m1", "line"}
    assert errors["line"] < 0.2
    with pytest.raises(InputError, match="the name 'm1' of a law is taken"):
        compare(runs, key, laws={"m1": laws["line"]})
