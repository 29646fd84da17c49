"""The speed-up of one recipe over another: known factors, pairs, evidence, scores, and what is refused."""

import jax
import numpy as np
import pytest
from scipy.optimize import brentq

import flpjax
from flpjax.errors import InputError
from flpjax.fitting.comparison import density, factor
from flpjax.ladder.build import build_runs
from flpjax.laws.compared import PARAMETERS, ComparedLosses, ComparedScores, ComparisonConstants, Size

KEY = jax.random.key(11)
DRAWS = 400


def log_loss(log_flops, irreducible=1.7, decay=0.16):
    return np.log(irreducible + 1.5 * np.exp(-decay * (log_flops - 44.0)))


def recipe(log_factor=0.0, runs=5, noise=0.0, seed=0, name="A", decay=0.16, start=42.0, **more):
    """Runs of 20 tokens per parameter; ``more`` are further columns, or None to leave one out."""
    rng = np.random.default_rng(seed)
    log_flops = np.linspace(start, start + 6.0, runs)
    params = np.exp((log_flops - np.log(120.0)) / 2.0)
    loss = np.exp(log_loss(log_flops + log_factor, decay=decay) + noise * rng.standard_normal(runs))
    columns = {
        "run": np.array([f"{name}{i}" for i in range(runs)], object),
        "params": params,
        "tokens": 20.0 * params,
        "loss/c4": loss,
        "score/quiz": 0.25 + 0.7 / (1.0 + np.exp(3.0 * (loss - 2.6))),
    } | more
    return build_runs({k: v for k, v in columns.items() if v is not None}, source=name)


@pytest.fixture(scope="module")
def better():
    """B is worth 1.4 times A's compute, with .3 % of noise."""
    first, second = recipe(noise=0.003, seed=1), recipe(np.log(1.4), 6, 0.003, 2, "B")
    return first, second, flpjax.speedup(first, second, KEY, draws=DRAWS, values={"c4": 2.6, "quiz": 0.6})


def test_a_known_factor_is_found_by_the_loss_and_by_the_score_through_it(better):
    *_, found = better
    for name in ("c4", "quiz"):
        interval = found.output(name).headline.factor
        assert interval.lower < 1.4 < interval.upper < 3.0
        assert found.output(name).values[0].factor.lower < 1.4 < found.output(name).values[0].factor.upper
    assert found.p_better > 0.95
    assert found.output("quiz").via == "c4"
    assert found.output("c4").evidence.constant > 0.5


def test_scales_are_marked_where_a_recipe_was_not_tried(better):
    first, second, found = better
    low, high = found.output("c4").measured
    at, largest = found.output("c4").headline, max(first.flops.max(), second.flops.max())
    assert at.flops == pytest.approx(high)
    assert not at.extrapolated
    assert at.flops * at.factor.median <= first.flops.max() * 1.06
    marks = {each.flops: each.extrapolated for each in found.output("c4").scales}
    assert all(beyond == (flops > high * 1.01) for flops, beyond in marks.items())
    assert max(marks) == pytest.approx(100 * largest)
    assert low >= first.flops.min() / 1.5
    widths = [np.log(each.factor.upper / each.factor.lower) for each in found.output("c4").scales]
    assert widths[-1] > min(widths)


def test_at_a_loss_the_factor_is_that_of_the_computes_which_reach_it(better):
    *_, found = better
    asked = found.output("c4").values[0]
    along = np.interp(np.log(asked.flops), np.log(found.output("c4").curve[:, 0]), found.output("c4").curve[:, 1])
    assert asked.value == 2.6
    assert asked.factor.median == pytest.approx(along, rel=0.02)


def test_the_other_way_round_the_factor_is_its_inverse(better):
    first, second, found = better
    back = flpjax.speedup(second, first, KEY, draws=DRAWS, tasks=[])
    inverse = found.output("c4").curve[0, 1]
    assert back.output("c4").curve[0, 1] == pytest.approx(1.0 / inverse, rel=0.05)
    assert back.p_better < 0.05


def test_a_table_against_itself_is_worth_one_and_pairs_say_so_sharply():
    runs = recipe(noise=0.01, seed=5)
    found = flpjax.speedup(runs, runs, KEY, draws=DRAWS, tasks=[])
    paired = found.output("c4")
    assert paired.pairs == 5
    assert paired.headline.factor.lower < 1.0 < paired.headline.factor.upper
    assert paired.headline.factor.upper / paired.headline.factor.lower < 1.05
    assert found.names == ("A (A)", "A (B)")


def test_noise_that_pairs_share_does_not_widen_the_factor():
    shared = 0.01 * np.random.default_rng(3).standard_normal(5)
    first = recipe()
    loss = first.loss[:, 0] * np.exp(shared)
    first = recipe(**{"loss/c4": loss})
    second = recipe(np.log(1.4), name="B")
    second = recipe(np.log(1.4), name="B", **{"loss/c4": second.loss[:, 0] * np.exp(shared)})
    shifted = recipe(np.log(1.4), name="B", start=42.3)
    shifted = recipe(np.log(1.4), name="B", start=42.3, **{"loss/c4": shifted.loss[:, 0] * np.exp(shared[::-1])})
    widths = []
    for other in (second, shifted):
        at = flpjax.speedup(first, other, KEY, draws=DRAWS, tasks=[]).output("c4")
        assert at.pairs == (5 if other is second else 0)
        widths.append(np.log(at.headline.factor.upper / at.headline.factor.lower))
    assert widths[0] < 0.4 * widths[1]


def test_exponents_of_their_own_are_found_where_runs_show_them():
    first, second = recipe(runs=8, noise=0.001, seed=1), recipe(0.0, 8, 0.001, 2, "B", decay=0.2)
    found = flpjax.speedup(first, second, KEY, draws=DRAWS, tasks=[]).output("c4")
    assert found.evidence.constant < 0.05
    assert found.scales[0].factor.upper < found.scales[2].factor.lower


def test_scores_alone_are_compared_against_compute():
    plain = {"loss/c4": None}
    found = flpjax.speedup(recipe(**plain), recipe(np.log(1.4), 6, name="B", **plain), KEY, draws=DRAWS)
    (quiz,) = found.outputs
    assert (quiz.kind, quiz.via) == ("score", None)
    assert quiz.headline.factor.lower < 1.4 < quiz.headline.factor.upper


def test_recipes_of_other_ratios_are_compared_at_the_same_sizes():
    """N and D differ, so that at one C the second's runs lie beside the valley: the law of both sees through that."""

    def grid(log_factor, name, shift):
        log_n, ratio = (v.ravel() for v in np.meshgrid(np.linspace(17.0, 20.0, 4), np.log([5.0, 20.0, 80.0])))
        log_n = log_n + shift
        log_d = log_n + ratio
        loss = 1.7 + 0.6 * np.exp(-0.34 * (log_n + log_factor / 2 - 18.5))
        loss += 0.6 * np.exp(-0.3 * (log_d + log_factor / 2 - 21.5))
        names = np.array([f"{name}{i}" for i in range(len(loss))], object)
        noise = 0.002 * np.random.default_rng(len(name)).standard_normal(len(loss))
        sizes = {"params": np.exp(log_n), "tokens": np.exp(log_d)}
        return build_runs({"run": names, **sizes, "loss/c4": loss * np.exp(noise)}, source=name)

    found = flpjax.speedup(grid(0.0, "A", 0.0), grid(np.log(1.5), "BB", 0.2), KEY, draws=DRAWS).output("c4")
    assert found.evidence.law == "N, D"
    assert found.pairs == 0
    assert found.headline.factor.lower < 1.5 < found.headline.factor.upper < 1.8


def test_three_runs_each_work_and_say_how_little_they_tell():
    one = {"mix/code": np.full(3, 0.2), "mix/web": np.full(3, 0.8)}  # one mixture is one recipe
    first, second = recipe(runs=3, noise=0.005, **one), recipe(0.3, 3, 0.005, 1, "B")
    found = flpjax.speedup(first, second, KEY, draws=DRAWS, tasks=[])
    assert found.factor.lower < np.exp(0.3) < found.factor.upper
    assert any("3 and 3 runs tell little" in warning for warning in found.warnings)


def test_a_second_comparison_compiles_nothing(better):
    programs = (density.derivatives, density._block, factor._values_at, factor._log_compute_at)
    before = [program._cache_size() for program in programs]
    flpjax.speedup(recipe(0.1, 4, 0.01, 7), recipe(0.2, 7, 0.01, 8, "B"), KEY, draws=DRAWS, values={"c4": 2.6})
    assert [program._cache_size() for program in programs] == before


@pytest.mark.parametrize("law", [ComparedLosses(), ComparedScores()])
def test_factors_are_where_both_laws_meet(law):
    """Against a root found by scipy on the law itself."""
    rng = np.random.default_rng(4)
    params = 0.3 * rng.standard_normal((3, len(PARAMETERS)))
    params[:, PARAMETERS.index("share")] = -1.0
    params[:, PARAMETERS.index("decay")] = -1.5
    constants, log_flops = ComparisonConstants(0.4, 0.25), np.array([-2.0, 0.0, 1.5])

    def both(vector, first, second):
        return [
            float(v)
            for v in law.values(vector, Size(*constants.along(first)), Size(*constants.along(second)), constants)
        ]

    found = factor.log_factors(law, params, constants, log_flops)
    for d, k in np.ndindex(found.shape):
        done = both(params[d], 0.0, log_flops[k])[1]
        more = brentq(lambda f, d=d, k=k, done=done: both(params[d], log_flops[k] + f, 0.0)[0] - done, -6.9, 6.9)
        assert found[d, k] == pytest.approx(np.clip(more, -np.log(1000), np.log(1000)), abs=1e-6)
    assert found[:, 1] == pytest.approx(params[:, PARAMETERS.index("log_factor")], abs=1e-6)  # at the centre


def held(runs):
    return runs.hold_out(list(runs.names))


def mixed():
    weights = np.linspace(0.2, 0.4, 5)
    return {"mix/code": weights, "mix/web": 1.0 - weights}


def one_size(name):
    return recipe(runs=3, name=name, params=np.full(3, 1e8), tokens=np.full(3, 2e9))


PILE = {"loss/c4": None, "score/quiz": None, "loss/pile": np.linspace(3.0, 2.5, 5)}
BITS = {"loss/c4": recipe().loss[:, 0] / np.log(2.0)}
WRONG = {
    "no loss in common": (recipe(), recipe(name="B", **PILE), "no loss and no task in common"),
    "one run": (recipe(runs=1), recipe(name="B"), r"A: there is 1 finished run.*at least three"),
    "all held out": (recipe(), held(recipe(name="B")), "B: all runs are held out"),
    "several mixtures": (recipe(**mixed()), recipe(name="B"), "A: its runs are of 5 mixtures"),
    "bits and nats": (recipe(), recipe(name="B", **BITS), r"1\.44 times.*as bits are of nats"),
    "FLOPs are N·D": (recipe(), recipe(name="B", flops=recipe().flops / 6), "counted in two ways: 6 and 1 FLOPs per"),
    "far apart": (recipe(), recipe(name="B", start=56.0), "computes lie a factor"),
    "one compute": (one_size("A"), one_size("B"), "all runs have one compute"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_use_is_one_error(case):
    first, second, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        flpjax.speedup(first, second, KEY, draws=DRAWS)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"domains": ["pile"]}, "no loss 'pile' in both tables.*In both: c4"),
        ({"tasks": ["piqa"]}, "no task 'piqa' in both"),
        ({"values": {"piqa": 0.5}}, "no loss or task 'piqa' in both"),
        ({"values": {"quiz": 60.0}}, "no score to be reached is 60.*0.6 for 60 %"),
        ({"values": {"c4": -1.0}}, "no loss is -1"),
        ({"values": {"c4": 0.3}}, "out of reach of both"),
        ({"flops": [0.0]}, "no compute is 0 FLOPs"),
        ({"level": 1.5}, "no probability"),
        ({"draws": 0}, "a speed-up: 0 draws"),
    ],
)
def test_what_makes_no_sense_is_refused(asked, message):
    with pytest.raises(InputError, match=message):
        flpjax.speedup(recipe(), recipe(name="B"), KEY, **{"draws": DRAWS, **asked})
