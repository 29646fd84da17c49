"""The paper's figures on ladders of known truth: the law that made the data errs least, verdicts follow the data."""

import json
import re
from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy.stats import linregress

from benchmarks.paper import __main__ as program
from benchmarks.paper import (
    ablations,
    chance,
    claims,
    fits,
    ladders,
    losses,
    mixed,
    optimum,
    optimum_claims,
    registered,
    single,
    targets,
)
from benchmarks.paper.errors import contest
from benchmarks.paper.verdicts import Verdict, less, most
from flpjax import Comparison, InputError, datasets, method, point
from flpjax.results.compare import Row
from tests.benchmarks.paper_ladder import RATIOS, lawful, paper_ladder, scored

SMALL = ("0.12B", "0.2B", "0.5B", "1B", "3B", "7B")
PROPOSED = {"word": 0.17}


def one_law(flops, weights):
    """The same law for all domains, whatever the mixture."""
    return np.linspace(0.9, 1.3, 5) * (flops[:, None] / 1e14) ** -0.05


def m4(flops, weights):
    """Eq. 5 with a floor."""
    code, general = np.log(weights[:, 1:] + 0.01), np.log(weights[:, :1] + 0.01)
    ours, theirs = np.linspace(-0.05, 0.01, 5), np.linspace(0.02, -0.08, 5)
    return (flops[:, None] / 1e14) ** -0.05 * np.exp(code * ours + general * theirs)


def m3(flops, weights):
    worth = np.array([[1.0, 0.05], [0.05, 1.0], [0.4, 0.6], [0.9, 0.3], [1.0, 0.2]])
    return ((weights @ worth.T) * flops[:, None] / 1e14) ** -0.06


@pytest.fixture(scope="module")
def runs():
    return paper_ladder(noise=0.0, checkpoints=7, sizes=SMALL, proposed=PROPOSED)


@pytest.fixture(scope="module")
def linear(runs):
    """Scores are straight in the average loss, the first above chance for the larger targets only."""
    made = lawful(runs, one_law)
    finals = made.only(["4.7M-code0.3"]).finals()
    late = float(finals.loss.mean()) - 0.002

    def score(loss):
        average = loss.mean(axis=1)
        columns = [0.05 + t.chance + 0.2 * (1 + i) * (1.25 - average) for i, t in enumerate(made.tasks)]
        columns[0] = made.tasks[0].chance + 2.0 * (late - average)
        return np.stack(columns, axis=1)

    return scored(made, score)


def verdict(found: list[Verdict], what: str, paper: str = "") -> Verdict:
    (one,) = (v for v in found if v.what.startswith(what) and paper in v.paper)
    return one


def test_subsets_follow_from_mixture_and_size(runs):
    assert ladders.common_share(runs) == 0.3
    assert ladders.proposed(runs) == ["8.8M-code0.17-for-word"]
    assert len(ladders.grid(runs).names) == len(runs.names) - 1
    one = ladders.one_mixture(runs)
    assert len(one.names) == 2 * len(SMALL)
    assert all("code0.3" in name for name in one.names)
    assert len(ladders.above_zero(runs).names) == len(runs.names) - 5
    small, large = ladders.target_sizes(runs)
    assert set(ladders.of_size(runs, large)) == {"18.9M-code0.3", "18.9M-code0.3-seed1"}
    assert len(ladders.of_size(runs, small)) == len(RATIOS) + 2
    split = mixed.papers_split(ladders.grid(runs))
    assert set(runs.targets().names) - set(split.targets().names) == {
        "8.8M-code0.3", "8.8M-code0.3-seed1", "8.8M-code0.17-for-word",
    }  # fmt: skip


def test_a_run_at_an_optimum_may_have_a_ratio_of_the_ladder(runs):
    names = ["8.8M-code0.5-for-word" if name == "8.8M-code0.5" else name for name in runs.names]
    named = replace(runs, names=tuple(names))
    assert ladders.proposed(named) == ["8.8M-code0.5-for-word", "8.8M-code0.17-for-word"]
    names = ["8.8M-code0.17-for-next_line-seed1", "8.8M-code0.5-for-word", "8.8M-code0.5"]
    assert [ladders.asked_task(name) for name in names] == ["next_line", "word", None]


def test_views_leave_the_rest_alone(runs):
    assert ladders.losses_only(runs).task_names == ()
    seen = ladders.scores_of(runs, ["4.7M-code0"])
    own = (seen.run == seen.names.index("4.7M-code0")) | seen.held_out[seen.run]
    assert np.isnan(seen.score[~own]).all()
    np.testing.assert_array_equal(seen.score[own], runs.score[own])


def test_the_ladder_can_be_any_table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("name,loss/a\nx,1\n")
    with pytest.raises(InputError, match="'run' is missing"):
        ladders.ladder(path)


def test_without_a_table_it_is_the_ladder_that_ships():
    runs = ladders.ladder()
    assert registered.proposals_of(runs) == datasets.proposals()
    assert len(ladders.proposed(runs)) == 7


def test_final_losses_that_follow_eq_1_are_straight_and_others_are_not(runs):
    made = lawful(runs, one_law)
    found = losses.losses(made)
    assert list(found["ratios"]) == ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]
    own = found["ratios"]["0.2"][ladders.AVERAGE][losses.POWER]
    assert own["r_squared"] == pytest.approx(1.0)
    assert own["target_error"] == pytest.approx(0.0, abs=1e-9)
    assert verdict(claims.of_losses(found), "Figure 2").agrees
    assert all(gap == pytest.approx(0.0) for gaps in found["seeds"].values() for gap in gaps.values())

    bent = losses.losses(lawful(runs, lambda flops, weights: 2.0 + 40.0 * one_law(flops, weights) ** 8))
    for domain in (ladders.AVERAGE, "c"):
        laws = bent["ratios"]["0.3"][domain]
        assert laws[losses.POWER]["target_error"] < -0.01  # a straight line runs below what levels off
        assert abs(laws[losses.BENT]["target_error"]) < abs(laws[losses.POWER]["target_error"])
        assert laws[losses.POWER]["r_squared"] < laws[losses.BENT]["r_squared"]
    losses.show_losses(bent)


def test_a_law_with_an_irreducible_loss_is_no_line():
    flops = np.geomspace(1e12, 1e15, 6)
    assert losses.straightness(flops, 3.0 * flops**-0.05) == pytest.approx(1.0)
    bent = 0.7 + 40.0 * flops**-0.12
    by_scipy = linregress(np.log(flops), np.log(bent)).rvalue ** 2
    assert losses.straightness(flops, bent) == pytest.approx(by_scipy)
    assert losses.straightness(flops, bent) < 0.999


def test_r_squared_and_seeds_by_hand(runs):
    actual, fitted = np.exp([1.0, 2.0, 3.0]), np.exp([1.5, 2.0, 3.0])
    assert losses.r_squared(actual, fitted) == pytest.approx(1 - 0.25 / 2)
    loss = np.where((np.array(runs.names)[runs.run] == "8.8M-code0.3-seed1")[:, None], 1.1, 1.0) * np.ones((1, 5))
    found = losses.seeds(replace(runs, loss=loss))
    small, _ = ladders.target_sizes(runs)
    assert found[small] == pytest.approx(dict.fromkeys(runs.domains, 0.1))
    assert {gap for size, gaps in found.items() if size != small for gap in gaps.values()} == {0.0}


def test_the_loop_is_closed_on_what_was_registered():
    """Sums by hand over the final scores of the ladder that ships."""
    runs, made = ladders.ladder(), datasets.proposals()
    rows = {row["for"]: row for row in registered.registered(runs, made, ladders.target_sizes(runs)[0])}
    assert list(rows) == [optimum["for"] for optimum in made["optima"]]
    finals = runs.finals()
    score, error = (
        {finals.names[r]: dict(zip(runs.task_names, s, strict=True)) for r, s in zip(finals.run, values, strict=True)}
        for values in (finals.score, finals.stderr)
    )

    recall = rows["recall"]
    there = ["8.8M-code0.5-for-next_line", "8.8M-code0.5-for-indent"]
    assert sorted(recall["runs"]) == sorted(there)
    assert recall["score"] == pytest.approx(np.mean([score[name]["recall"] for name in there]))
    assert recall["stderr"] == pytest.approx(np.hypot(*(error[name]["recall"] for name in there)) / 2)
    own = {r: score[f"8.8M-code{r}"]["recall"] for r in ("0", "0.1", "0.2", "0.4", "0.5")}
    own["0.3"] = (score["8.8M-code0.3"]["recall"] + score["8.8M-code0.3-seed1"]["recall"]) / 2
    assert recall["ratios"] == pytest.approx(own)
    assert recall["beats"] == sum(recall["score"] > other for other in own.values())
    assert recall["over_best"] == pytest.approx(recall["score"] - max(own.values()))
    asked = next(o for o in made["optima"] if o["for"] == "recall")["predicted"]["recall"]
    assert recall["predicted"] == asked["median"]
    assert recall["inside"] is (asked["lower"] <= recall["score"] <= asked["upper"])

    mean = rows["mean"]
    assert mean["runs"] == ["8.8M-code0.479-for-mean"]
    assert mean["inside"] is None
    assert mean["score"] == pytest.approx(np.mean(list(score["8.8M-code0.479-for-mean"].values())))
    assert [name for name, row in rows.items() if row["outside"]] == ["next_line-outside"]


def test_as_good_as_the_best_is_within_two_standard_errors():
    row = {"for": "word", "outside": False, "inside": True, "ratios": {"0": 0.3}, "beats": 0, "standard_error": 0.01}
    said = {gap: optimum_claims.of_registered([row | {"over_best": gap}]) for gap in (-0.019, -0.021)}
    assert [found.agrees for (found,) in said.values()] == [True, False]
    (told,) = optimum_claims.of_registered([row | {"over_best": -0.5, "outside": True}])
    assert told.agrees is None


def test_one_mixture_in_a_straight_world(linear):
    """FLP is exact where its two laws made the data; FP is not; a task emerges as it was made to."""
    found = single.single(linear)
    flp = found["methods"][single.FLP_NAME]
    assert max(error for errors in flp["by_size"].values() for error in errors.values()) < 1e-6
    assert min(found["methods"][single.FP_NAME]["errors"].values()) > 1e-3
    assert all(fit["r_squared"] == pytest.approx(1.0) for fit in found["linear"].values())
    late, others = linear.task_names[0], linear.task_names[1:]
    assert found["emerged"][late]["share"] == 0.0
    finals = ladders.one_mixture(linear).training().finals()
    for task in others:
        above = finals.score_of(task) - linear.tasks[linear.task_names.index(task)].chance >= 0.05
        assert found["emerged"][task]["share"] == above.mean()
    assert late not in flp["errors"]
    said = claims.of_single(found)
    for what in ("Figure 3", "Figure 11", "Figure 12", "Figure 10"):
        assert all(v.agrees for v in said if v.what == what)
    assert verdict(said, "Figure 1", "few").agrees is (
        sum(e["share"] < 0.5 for e in found["emerged"].values()) > len(linear.tasks) / 2
    )
    single.show_single(found)
    assert found["methods"][single.LLAMA]["failed"].startswith("simulated")


def test_a_bigger_models_checkpoints_forecast_a_task_at_chance(linear):
    found = chance.chance(linear)
    late = linear.task_names[0]
    assert found["at_chance"]
    assert found["chosen"] == [late]
    assert found["bigger"] == ["8.8M-code0.3", "8.8M-code0.3-seed1"]
    assert found[chance.BIGGER]["errors"][late] < 1e-6
    assert late not in found[chance.SAMPLING]["errors"]
    assert verdict(claims.of_chance(found), "Figure 13").agrees
    found[chance.BIGGER]["errors"][late] = 0.2
    assert verdict(claims.of_chance(found), "Figure 13").agrees is False
    found[chance.BIGGER]["errors"] = {}
    assert verdict(claims.of_chance(found), "Figure 13").agrees is None
    chance.show_chance(found)


def test_targets_of_one_size_leave_no_bigger_model(runs):
    with pytest.raises(InputError, match="of one size"):
        chance.chance(runs.without(["18.9M*"]))


@pytest.mark.parametrize("law", [m4, m3])
def test_the_law_that_made_the_losses_errs_least(runs, law, capsys, monkeypatch):
    monkeypatch.delitem(ablations.SPLITS, ablations.ABOVE_ZERO)
    found = ablations.laws(lawful(runs, law))
    errors = {form: values["mean"] for form, values in found[ablations.ALL].items()}
    assert min(errors, key=errors.get) == law.__name__.upper()
    assert errors[law.__name__.upper()] < 1e-3
    assert errors["M1"] > 0.01
    said = claims.of_laws(found)
    assert verdict(said, f"Table 3, {ablations.ALL}").agrees is (law is m4)
    ablations.show_laws(found)
    assert "M4" in capsys.readouterr().out


@pytest.mark.usefixtures("optimised_solver")
def test_figures_of_flpm_by_linear_maps(runs, monkeypatch):
    """Scores straight in domain losses that follow M4: FLP-M has them, FLP on the average loss has not."""
    monkeypatch.setattr(mixed, "METHODS", {"FLP": "flp-average", "FLP-M": "m4-floor+domain-linear"})
    slopes = np.random.default_rng(3).uniform(0.0, 0.5, (5, 6))
    made = lawful(runs, m4)
    made = scored(made, lambda loss: 0.9 - loss @ slopes / slopes.sum(axis=0) * 0.7)
    found = mixed.mixed(made)
    said = claims.of_mixed(found)
    assert len(said) == 4
    assert all(v.agrees for v in said if "errs less" in v.paper)
    for split in ("held out", "the paper's split"):
        assert max(found[split]["FLP-M"]["errors"].values()) < 0.01
        found[split]["FLP-M"], found[split]["FLP"] = found[split]["FLP"], found[split]["FLP-M"]
    assert not any(v.agrees for v in claims.of_mixed(found) if "errs less" in v.paper)
    mixed.show_mixed(found)


def test_domain_losses_of_one_mixture_are_collinear(runs):
    made = lawful(runs, m3)
    one, every = mixed.condition(ladders.one_mixture(made)), mixed.condition(ladders.grid(made))
    assert one > 1e3 * every
    within = {"methods": {m: {"errors": {"a": e, "b": e}} for m, e in (("FLP", 0.1), ("FLP-M", 0.2))}, "tasks": ["a"]}
    said = claims.of_within(within | {"condition": {"one mixture": one, "all mixtures": every}})
    assert [v.agrees for v in said] == [True, True]
    said = claims.of_within(within | {"condition": {"one mixture": every, "all mixtures": one}})
    assert [v.agrees for v in said] == [True, False]
    assert claims.of_within(within | {"condition": {"one mixture": None, "all mixtures": one}})[1].agrees is None
    mixed.show_within(within | {"condition": {"one mixture": one, "all mixtures": every}})


@pytest.fixture
def quick(monkeypatch):
    """Laws that are fitted in closed form in place of networks and the blend."""
    monkeypatch.setattr(optimum, "LAWS", {"FLP-M": "m4-floor+domain-linear"})
    monkeypatch.setattr(targets, "METHODS", {"FLP": "flp-average", "FLP-M": "m4-floor+domain-linear"})
    monkeypatch.setattr(optimum, "best_mixes", lambda draws, target: {})
    monkeypatch.setattr(fits, "DRAWS", 13)


def test_the_best_share_is_where_the_truth_has_it(runs, quick):
    """Losses by M4 with a floor; each score reads one domain, so that its peak is known in closed form."""
    made = lawful(runs, m4)
    pick = np.eye(5)[[0, 1, 2, 3, 4, 4]].T
    made = scored(made, lambda loss: 1.2 - 0.5 * loss @ pick)
    found = optimum.optimum(made)
    assert found["size"] == ladders.target_sizes(made)[0]
    grid = np.arange(0, 0.505, 0.01)
    at = m4(np.full(len(grid), found["flops"]), np.stack([1 - grid, grid], axis=1))
    law = found["laws"]["FLP-M"]
    for j, task in enumerate(made.task_names):
        peak = grid[(-(at @ pick))[:, j].argmax()]
        assert law["curve"]["best"][task] == pytest.approx(peak, abs=0.011)
        assert law["curve"]["inside"][task] is bool(0.005 < law["curve"]["best"][task] < 0.495)
    assert len(law["proposed"]) == 6
    (asked,) = (row for row in law["proposed"] if row["asked"])
    assert (asked["run"], asked["task"]) == ("8.8M-code0.17-for-word", "word")
    finals = made.only(["8.8M-code0", "8.8M-code0.?"]).finals().score_of("word")
    assert asked["beats"] == (asked["score"] > finals).sum()
    assert asked["over_best"] == pytest.approx(asked["score"] - finals.max())
    said = claims.of_optimum(found)
    assert said[1].agrees is (asked["beats"] == 6)
    asked["beats"] = 6
    assert claims.of_optimum(found)[1].agrees
    asked["asked"] = None
    assert claims.of_optimum(found)[1].agrees is None
    optimum.show_optimum(found)


def test_without_proposed_runs_the_largest_sampled_size_is_asked(runs):
    table = ladders.grid(runs)
    size = optimum.size_asked(table)
    assert size == ladders.sizes(table)[table.names.index("4.7M-code0")]
    draws = point(method("m4-floor+domain-linear"), table, jax.random.key(0), strict=False)
    assert optimum.closed(table, draws, size) == []


def test_coverage_counts_what_intervals_hold(quick):
    runs = paper_ladder(5, checkpoints=7, sizes=SMALL)
    found = targets.targets(runs)
    for method_found in found["methods"].values():
        held = [cell["lower"] <= cell["actual"] <= cell["upper"] for cell in method_found["intervals"]]
        assert method_found["coverage"]["90 %"]["scores"] == np.mean(held)
        assert method_found["coverage"]["50 %"]["scores"] <= np.mean(held)
    finals = runs.targets().finals()
    score = dict(zip((finals.names[r] for r in finals.run), finals.score_of("gap"), strict=True))
    pairs = [(score[f"{size}-code0.3"], score[f"{size}-code0.3-seed1"]) for size in ("8.8M", "18.9M")]
    assert found["seeds"]["gap"] == pytest.approx(np.mean([abs(a - b) / ((a + b) / 2) for a, b in pairs]))
    (said,) = claims.of_targets(found)
    assert said.agrees is None
    targets.show_targets(found)


def test_maps_are_ranked_on_the_tasks_that_all_forecast():
    order = ["flops", "average", "domain-linear", "domain-neural", "discovery"]
    maps = {name: {"errors": {"a": 0.5 - 0.1 * i, "b": 0.5 - 0.1 * i}} for i, name in enumerate(order)}
    maps["average"]["errors"]["only here"] = 9.0
    figures = {"maps": maps, "tasks": ["a", "b", "only here"], "discovered": {}}
    fig8, table4 = claims.of_maps(figures)
    assert fig8.agrees
    assert "2 tasks" in fig8.here
    assert table4.agrees is False
    maps["domain-linear"]["errors"] = {"a": 0.6, "b": 0.6}
    maps["discovery"]["errors"] = {"a": 0.7, "b": 0.7}
    assert [v.agrees for v in claims.of_maps(figures)] == [False, True]
    maps["flops"]["errors"] = {}
    assert claims.of_maps(figures)[0].agrees is None


def test_maps_by_compare(runs, monkeypatch):
    """What the figures say is what ``flpjax.compare`` says."""
    seen = Comparison((), (), (Row("average", {"word": 0.25}),))
    monkeypatch.setattr(ablations, "compare", lambda table, key, **how: seen)
    found = ablations.maps(runs)
    assert found["maps"] == {"average": {"errors": {"word": 0.25}, "failed": None}}
    ablations.show_maps(found)


def test_contests_and_verdicts():
    ours, theirs = {"a": 0.1, "b": 0.2, "c": 0.9}, {"a": 0.2, "b": 0.3, "d": 0.1}
    assert contest(ours, theirs) == (2, 2, pytest.approx(0.15), pytest.approx(0.25))
    assert contest(ours, {}) is None
    said = less("Figure 3", "FLP", {"x": ours, "y": theirs}, "x", "y")
    assert said.agrees
    assert less("Figure 3", "FLP", {"x": ours, "y": theirs}, "y", "x").agrees is False
    assert less("Figure 3", "FLP", {"x": ours, "y": {}}, "x", "y").agrees is None
    assert [most("", "", hits, 4, "tasks").agrees for hits in (2, 3)] == [False, True]
    assert most("", "", 0, 0, "tasks").agrees is None
    assert re.fullmatch(r"Figure 3: paper: FLP; here: 15.0 against 25.0 %.*; agrees: yes; criterion: .*", str(said))


def test_parts_that_the_table_can_not_carry_say_why(linear, capsys):
    result = program.run(linear.without(["18.9M*"]), ["chance"])
    assert "of one size" in result["chance"]["failed"]
    result = program.run(linear, ["chance"])
    assert result["chance"]["verdicts"][0]["agrees"]
    assert "agrees: yes" in capsys.readouterr().out
    json.dumps(result, allow_nan=False)


def test_a_table_without_mixtures_is_refused(runs):
    with pytest.raises(InputError, match="no mixtures of two sources"):
        ladders.shares(replace(runs, sources=(), mix=np.empty((len(runs), 0))))
