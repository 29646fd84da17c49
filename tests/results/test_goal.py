"""What mixtures are judged by, against plain NumPy on forecasts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import rel_entr

from flpjax.errors import InputError
from flpjax.fitting.draws import Draws, LadderSummary
from flpjax.ladder.compute import FlopsRule
from flpjax.ladder.features import Features
from flpjax.laws.mixture_loss import M3
from flpjax.laws.network import DomainLinear, Network
from flpjax.laws.sources import contrasts
from flpjax.methods.flpm import MixtureModel
from flpjax.results.constraints import Constraints
from flpjax.results.forecast import predict
from flpjax.results.goal import Goal, Value, divergence
from flpjax.results.problem import mixture_problem
from flpjax.results.target import Target

SOURCES, DOMAINS, TASKS = ("general", "code", "math"), ("general", "code", "math"), ("t", "u")
TARGET = Target("big", params=1e10, tokens=1.7e11, flops=1e22)
TRIED = ((0.9, 0.1, 0.0), (0.5, 0.4, 0.1), (0.3, 0.4, 0.3), (0.2, 0.8, 0.0))
DRAWS = 7


def by_hand(sources=3, draws=DRAWS, *, third=0.0, exponent=-0.5, network=False):
    """Draws with known parameters: each domain likes the source of its name; ``third``: log worth of math to others.

    With exponent 1, losses are linear in the weights.
    """
    rng = np.random.default_rng(11)

    def around(shape, mean, spread=0.03):
        return jnp.asarray(mean + spread * rng.normal(size=(draws, *shape)))

    own = 1.0 if third > -1.0 else third
    log_worth = np.array([[1.0, -1.0, third], [-1.2, 1.0, third], [-0.5, -0.5, own]])[:, :sources]
    loss = {"log_level": around((3,), 0.7), "exponent": around((3,), exponent, 0.02 if exponent < 0 else 0.0)}
    loss["worth"] = around((3, sources - 1), log_worth @ contrasts(sources), 0.15)
    if network:
        law = Network(centre=(0.5,) * 3, spread=(0.1,) * 3)
        shapes = {"hidden_weight": (2, 3, 3), "hidden_bias": (2, 3), "out_weight": (2, 3), "out_bias": (2,)}
        score = {name: around(shape, 0.0, 1.0) for name, shape in shapes.items()}
    else:
        law = DomainLinear(centre=(0.5,) * 3)
        slopes = np.array([[-0.5, -0.1, -0.15], [-0.15, -0.6, -0.15]])
        score = {"level": around((2,), 0.5), "slopes": around((2, 3), slopes)}
    model = MixtureModel(M3(sources), law, SOURCES[:sources], DOMAINS, TASKS)
    tried = np.array(TRIED)[:, :sources]
    tried = tuple(map(tuple, (tried / tried.sum(1, keepdims=True)).tolist()))
    rule = FlopsRule(0.0, 0.0, 0.0, 0.0)
    ladder = LadderSummary("by hand", 9, 9, (1e19, 1e21), (1e8, 1e9), (1e9, 1e11), rule, SOURCES[:sources], tried)
    return Draws(model, {"loss": loss, "score": score}, "bootstrap" if draws > 1 else "point", {}, ladder)


def outputs(draws, points, target=TARGET):
    """``(point, draw, output)`` of forecasts: losses, with a minus sign, and scores."""
    each = [np.full(len(points), np.log(v)) for v in (target.params, target.tokens, target.flops)]
    seen = predict(draws.model, draws.params, Features.of_logs(*each, np.asarray(points)), None)
    return np.moveaxis(np.concatenate([-np.asarray(seen.loss), np.clip(seen.score, 0.0, 1.0)], axis=2), 1, 0)


def worth(goal, out, base, share, points, prior, penalty=1.0):
    """The value ``(point,)`` of outputs ``(point, draw, output)``, as its documentation has it."""
    gain, counted = out - base, share > 0
    each = (gain[..., counted]).min(-1) if goal.over_tasks == "worst" else out @ share
    if goal.over_draws == "mean":
        value = each.mean(-1)
    elif goal.over_draws == "quantile":
        value = np.quantile(each, goal.risk, axis=-1)
    else:
        value = np.sort(each, axis=-1)[:, : max(1, round(goal.risk * each.shape[-1]))].mean(-1)
    if goal.no_worse:
        value = value + penalty * np.minimum(gain.mean(1), 0.0)[:, counted].sum(-1)
    return value - goal.kl * rel_entr(points, prior).sum(-1)


BASE, PRIOR = {"general": 0.5, "code": 0.3, "math": 0.2}, {"general": 0.2, "code": 0.2, "math": 0.6}
GOALS = {
    "mean": Goal(),
    "one task twice as much": Goal({"t": 2.0, "u": 1.0}),
    "losses": Goal(domains={"code": 1.0}),
    "both": Goal({"u": 3.0}, {"general": 1.0}),
    "quantile": Goal(over_draws="quantile", risk=0.3),
    "cvar": Goal(over_draws="cvar", risk=0.4),
    "worst": Goal(over_tasks="worst"),
    "no worse": Goal({"t": 1.0, "u": 1.0}, no_worse=True),
    "all": Goal({"t": 1.0, "u": 0.0}, {"code": 1.0}, "cvar", 0.3, "worst", True, 0.07, PRIOR),
}


def posed(draws, goal):
    problem = mixture_problem(draws, TARGET, goal, Constraints(), BASE)
    return problem.value, problem.scene._replace(penalty=jnp.asarray(3.0)), np.asarray(problem.scene.share)


@pytest.fixture(scope="module")
def draws():
    return by_hand()


@pytest.mark.parametrize("name", GOALS)
def test_the_value_is_that_of_numpy(draws, name):
    goal = GOALS[name]
    value, scene, share = posed(draws, goal)
    assert share.sum() == pytest.approx(1.0)
    points = np.concatenate([np.eye(3), np.random.default_rng(1).dirichlet(np.ones(3), 10)])
    base, prior = outputs(draws, [list(BASE.values())])[0], list(PRIOR.values())
    expected = worth(goal, outputs(draws, points), base, share, points, prior, penalty=3.0)
    seen = jax.jit(jax.vmap(value, (0, None)))(points, scene)
    np.testing.assert_allclose(seen, expected, rtol=1e-12, atol=1e-14)


def test_shares_are_of_all_scores_unless_losses_are_asked_for(draws):
    shares = {
        "mean": [0, 0, 0, 0.5, 0.5], "one task twice as much": [0, 0, 0, 2 / 3, 1 / 3], "losses": [0, 1, 0, 0, 0],
        "both": [0.25, 0, 0, 0, 0.75],
    }  # fmt: skip
    for name, expected in shares.items():
        np.testing.assert_allclose(np.concatenate(GOALS[name].shares(draws.model)), expected)
    scoreless = MixtureModel(M3(3), DomainLinear(), SOURCES, DOMAINS, ())
    np.testing.assert_allclose(np.concatenate(Goal().shares(scoreless)), [1 / 3] * 3)


@pytest.mark.parametrize(
    ("goal", "network"), [(Goal(kl=0.3, prior=PRIOR), False), (GOALS["all"], False), (Goal(), True)]
)
def test_the_gradient_is_that_of_finite_differences(goal, network):
    """At a point where nothing has a kink."""
    value, scene, _ = posed(by_hand(network=network), goal)
    one, slope = jax.jit(value), jax.jit(jax.grad(value))
    at, step = np.array([0.37, 0.41, 0.22]), 1e-6
    by_difference = [float(one(at + step * e, scene) - one(at - step * e, scene)) / (2 * step) for e in np.eye(3)]
    np.testing.assert_allclose(slope(at, scene), by_difference, rtol=1e-6, atol=1e-9)
    assert np.ptp(by_difference) > 1e-3


def test_divergence_is_finite_on_faces():
    weights, prior = np.array([0.0, 0.25, 0.75]), np.array([0.2, 0.3, 0.5])
    number, slope = jax.value_and_grad(divergence)(weights, prior)
    assert float(number) == pytest.approx(rel_entr(weights, prior).sum(), rel=1e-12)
    np.testing.assert_allclose(slope[1:], np.log(weights[1:] / prior[1:]) + 1.0, rtol=1e-12)
    assert np.isfinite(slope).all()
    assert float(divergence(prior, prior)) == pytest.approx(0.0, abs=1e-15)


def test_goals_that_differ_in_numbers_share_their_programs(draws):
    one, two = (posed(draws, Goal({"t": w}, kl=w, prior=p))[0] for w, p in ((1.0, PRIOR), (0.2, BASE)))
    assert one == two
    assert hash(one) == hash(two)
    assert isinstance(one, Value)


BAD = {
    "over_draws is 'median'": {"over_draws": "median"},
    "over_tasks is 'best'": {"over_tasks": "best"},
    "risk is 0. Give a share of draws": {"risk": 0.0},
    "risk is 1": {"risk": 1.0},
    "risk is nan": {"risk": float("nan")},
    "kl is -1. Give 0 or more": {"kl": -1.0},
    "kl is nan": {"kl": float("nan")},
}


@pytest.mark.parametrize("words", BAD)
def test_no_goal(words):
    with pytest.raises(InputError, match=f"^goal: {words}"):
        Goal(**BAD[words])


UNKNOWN = {
    "there is no task 'tt' in the forecast": {"tasks": {"tt": 1.0}},
    "there is no loss domain 'coed' in the forecast. Did you mean 'code'": {"domains": {"coed": 1.0}},
    "the weight of 't' is -1. Give 0 or more": {"tasks": {"t": -1.0}},
    "the weight of 't' is inf": {"tasks": {"t": float("inf")}},
    "the weight of 'code' is nan": {"domains": {"code": float("nan")}},
    "nothing counts. Give a task or a domain": {"tasks": {"t": 0.0}},
}


@pytest.mark.parametrize("words", UNKNOWN)
def test_what_counts_must_be_there(draws, words):
    with pytest.raises(InputError, match=f"^goal: {words}"):
        Goal(**UNKNOWN[words]).shares(draws.model)
