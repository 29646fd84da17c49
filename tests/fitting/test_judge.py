"""Fits that ended badly: an error by default, a warning if asked for, and never a false alarm."""

import re

import numpy as np
import pytest

from flpjax.engine.settings import Settings, Status
from flpjax.errors import FitError
from flpjax.fitting.draws import StageFit
from flpjax.fitting.point import point
from flpjax.fitting.staged import judge
from flpjax.methods.direct import FP
from flpjax.methods.flp import FLP


def fit(status=Status.CONVERGED, agree=0.5, condition=10.0, starts=8):
    """Two outputs; the second ended well."""
    return {
        "loss": StageFit(
            law="PowerLaw(centre=47.0)",
            outputs=("code", "math"),
            status=np.array([status, Status.CONVERGED]),
            agree=np.array([agree, 1.0]),
            condition=np.array([condition, 1.0]),
            objective=np.ones(2),
            gradient=np.ones(2),
            residual_sd=np.ones(2),
            start_status=np.zeros((2, starts), int),
            constants={},
        )
    }


def test_good_fits_are_not_remarked_on():
    assert judge(fit(), strict=True) == ()


FAILURES = [Status.STEP_LIMIT, Status.NON_FINITE_START, Status.STALLED, Status.ALL_FAILED]


@pytest.mark.parametrize("status", FAILURES)
def test_a_failed_fit_is_an_error_with_advice(status):
    advice = status.advice[0].upper() + status.advice[1:]
    text = f"PowerLaw for loss 'code': the fit did not converge. {advice}"
    with pytest.raises(FitError, match=f"^{re.escape(text)}$"):
        judge(fit(status), strict=True)


@pytest.mark.parametrize("status", FAILURES)
def test_or_a_warning_if_asked_for(status):
    assert judge(fit(status), strict=False) == (
        f"PowerLaw for loss 'code': the fit did not converge and is left out: {status.advice}",
    )


@pytest.mark.parametrize("fits", [fit(Status.SINGULAR), fit(condition=1e9)])
@pytest.mark.parametrize("strict", [True, False])
def test_an_open_direction_is_a_warning(fits, strict):
    (warning,) = judge(fits, strict)
    assert warning.startswith("PowerLaw for loss 'code': the data leave a direction of the parameters undetermined")
    assert f"(condition number {fits['loss'].condition[0]:.0e})" in warning


def test_a_lonely_start_is_a_warning():
    assert judge(fit(agree=1 / 8), strict=True) == (
        "PowerLaw for loss 'code': only one of 8 starts found the best optimum: use more starts",
    )
    assert judge(fit(agree=2 / 8), strict=True) == ()
    assert judge(fit(agree=1 / 2, starts=2), strict=True) == ()


def test_too_few_steps_are_an_error(noisy, key):
    with pytest.raises(
        FitError, match=r"^PowerLaw for score 'bbh': the fit did not converge\. The step limit came before the optimum"
    ):
        point(FP(), noisy.runs, key, settings=Settings(steps=0))


def test_or_leave_no_numbers_and_a_warning(noisy, key):
    draws = point(FP(), noisy.runs, key, settings=Settings(steps=0), strict=False)
    assert np.isnan(draws.params["score"]["exponent"]).all()
    for task in draws.model.tasks:
        assert any(
            w.startswith(f"PowerLaw for score '{task}': the fit did not converge and is left out")
            for w in draws.warnings
        )


def test_an_exact_fit_is_found_by_all_starts(exact, key):
    draws = point(FLP(), exact.runs, key)
    assert draws.warnings == ()
    assert (draws.fits["loss"].agree == 1.0).all()
