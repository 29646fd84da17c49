"""What a search for mixtures weighs unless a law is named, what it says of that, and what its review adds."""

from types import SimpleNamespace

import numpy as np
import pytest

import flpjax
from flpjax.errors import InputError
from flpjax.fitting.discovery.method import LAWS, Discovered
from flpjax.fitting.fit import check_asked, mixing_method, usual_draws
from flpjax.fitting.validation import RollingValidation
from flpjax.methods.registry import DEFAULT_MIX, MIXED, Auto, method
from flpjax.results.mixture import _taken
from flpjax.results.review import check_lost, check_search
from flpjax.results.verdicts import Verdict

PASS, REVIEW, FAIL = Verdict


def test_laws_of_mixtures_are_weighed_unless_one_is_named(noisy):
    name, chosen = mixing_method("", 7)
    assert (name, chosen) == ("auto", Auto(mixtures=True))
    assert list(chosen.members(noisy.runs)) == list(MIXED)
    assert mixing_method("", 0) == (DEFAULT_MIX, method(DEFAULT_MIX)), "a blend has no point fit"
    assert mixing_method("m3+domain-linear", 7) == ("m3+domain-linear", method("m3+domain-linear"))


def test_what_discovery_chose_is_a_method_below_any_law():
    assert flpjax.method("discovered") == Discovered()
    assert Discovered().laws == LAWS == tuple(dict.fromkeys(name.split("+")[0] for name in MIXED))
    assert flpjax.method("m3-e-recent+discovered").laws == ("m3-e-recent",)
    assert usual_draws(Discovered()) == usual_draws(Auto())
    with pytest.raises(InputError, match=r"^method 'm3\+discovered' goes through all losses\. Leave the domain out"):
        flpjax.method("m3+discovered", via="code")
    for draws in (0, 1):
        with pytest.raises(InputError, match="a blend"):
            check_asked(Discovered(), draws)


def test_which_laws_are_taken_and_how_far_their_forecasts_were_off():
    weights = {name: np.array([w, w]) for name, w in zip("abcd", (0.1, 0.5, 0.3, 0.1), strict=True)}
    seen = _taken(RollingValidation(4, 9, 0.5, 0.9, ("x", "y"), weights, (0.012, 0.034), losses=2))
    assert seen.startswith(
        "losses by b 50%, c 30%, a 10% and 1 more: weights by the probability of what was measured; forecasts of the "
        "ladder's "
    )
    assert seen.endswith("were off by 1.2 % of a loss and 3.4 points of a score")
    assert "of runs left out from the others" in _taken(
        RollingValidation(0, 9, 0.5, 0.9, ("x", "y"), weights, (0.012, np.nan))
    )
    assert "there were no larger runs to check them by" in _taken(
        RollingValidation(0, 0, 0.5, 0.9, ("x", "y"), weights)
    )
    assert _taken(None) == ""
    halves = {"law": np.array([1.0, 1.0, 0.0]), "map": np.array([0.0, 0.0, 1.0])}
    past = RollingValidation(4, 9, 0.5, 0.9, ("x", "y", "t"), halves, (0.012, 0.034), losses=2)
    assert _taken(past).startswith("losses by law 100%; scores by map 100%: "), "each among its own kind"


@pytest.mark.parametrize(("left", "verdict"), [(100, PASS), (96, PASS), (90, REVIEW), (40, FAIL)])
def test_draws_without_a_part_in_the_search(left, verdict):
    finding = check_lost(SimpleNamespace(draws=left), range(100))
    assert (finding.verdict, finding.figure) == (verdict, f"{left} of 100 have a part")
    assert (finding.remedy != "") == (verdict != PASS)


@pytest.mark.parametrize(("status", "verdict"), [("converged", PASS), ("kink", PASS), ("step_limit", REVIEW)])
def test_a_search_that_was_cut_short(status, verdict):
    finding = check_search(SimpleNamespace(status=status, agree=0.75))
    assert (finding.verdict, "75% of starts agree" in finding.figure) == (verdict, True)
    assert (finding.remedy != "") == (verdict != PASS)
