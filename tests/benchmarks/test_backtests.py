"""The accuracy that the benchmark claims, by the functions that it calls, as point fits."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.gadre import OWN, error_rate_error, gadre_records, loss_error, own_recipe, read_corpus, scatter
from benchmarks.methods import record_json
from benchmarks.olmo import joint_records, olmo_records
from benchmarks.published import GADRE, OLMO_CHAINED, OLMO_CHAINED_MEAN, OLMO_TARGETS, SCIPY
from flpjax import method

pytestmark = pytest.mark.public
PAIRS = ["chinchilla+linear", "chinchilla+sigmoid"]


@pytest.fixture(autouse=True)
def _ladders(public_data, monkeypatch):
    monkeypatch.setenv("FLPJAX_DATA", str(public_data))


def errors(record, **given):
    """Mean absolute relative error of 8 scores, %, target by target."""
    return np.array([100.0 * record.mean_abs_rel_error(target, **given) for target in OLMO_TARGETS])


@pytest.fixture(scope="module")
def olmo(public_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLPJAX_DATA", str(public_data))
        return olmo_records(0, {name: method(name) for name in ("flp", *PAIRS)})


def test_flp_is_the_plain_reading_of_the_paper(olmo):
    """Scipy's figures are for the plain mean of the MMLU groups, ours for the weighted one."""
    np.testing.assert_allclose(errors(olmo["flp"]), [3.5, 7.0, 6.8], atol=0.7)
    np.testing.assert_allclose(errors(olmo["flp"], true_loss=True), [5.3, 10.1, 10.3], atol=0.7)


def test_chinchilla_and_sigmoid_is_no_worse_than_its_plain_fit(olmo):
    assert (errors(olmo["chinchilla+sigmoid"]) <= [3.1, 3.5, 5.0]).all()


def test_chinchilla_and_sigmoid_beats_what_is_published_on_7b_and_13b(olmo):
    """At 3B-10xC the two are level: the point fit has 2.4 %, published is 2.33 %."""
    published = [OLMO_CHAINED_MEAN[target] for target in OLMO_TARGETS]
    assert (errors(olmo["chinchilla+sigmoid"]) < published)[1:].all()


@pytest.mark.parametrize("name", PAIRS)
def test_stage_2_is_near_its_plain_fit_given_the_true_loss(olmo, name):
    plain = [SCIPY[target][name][1] for target in OLMO_TARGETS]
    np.testing.assert_allclose(errors(olmo[name], true_loss=True), plain, atol=1.0)


def test_the_published_means_are_those_of_the_published_errors():
    for target in OLMO_TARGETS:
        assert np.mean(np.abs(OLMO_CHAINED[target])) == pytest.approx(OLMO_CHAINED_MEAN[target], abs=0.05)


def test_the_joint_fit_of_chinchilla_and_sigmoid_is_no_worse():
    (record,) = joint_records(["chinchilla+sigmoid"]).values()
    assert (errors(record) <= [3.1, 3.5, 5.0]).all()
    found = record_json(record, 0)
    assert found["coverage"] is None
    assert found["width"] is None


@pytest.mark.parametrize("corpus", GADRE)
@pytest.mark.parametrize("size", ["7B", "1.4B"])
def test_the_recipe_of_gadre_gives_their_errors(corpus, size):
    record = own_recipe(corpus, read_corpus(corpus))
    loss, rate = GADRE[corpus][size]
    assert 100.0 * abs(loss_error(record, size)) == pytest.approx(loss, abs=0.1)
    assert 100.0 * abs(error_rate_error(record, size)) == pytest.approx(rate, abs=0.1)


def test_a_method_that_the_ladder_cannot_carry_is_recorded_as_failed():
    records = gadre_records("rpj", 0, {name: method(name) for name in ("llama3", "power+linear")})
    assert list(records) == [OWN, "llama3", "power+linear"]
    assert [name for name, record in records.items() if record.failed] == ["llama3"]
    assert "avg17" in records["llama3"].failed


def test_scatter_of_runs_is_what_was_put_in():
    runs = read_corpus("c4")
    loss = runs.loss[:, 0]
    rng = np.random.default_rng(0)
    off = rng.normal(0.0, 0.01, len(runs))
    score = np.clip(0.55 - 0.2 * (loss - 2.4), 0.0, 1.0) + off
    made = replace(runs, score=score[:, None])
    finals = made.finals()
    largest = 1.0 - finals.score[finals.flops.argmax(), 0]
    assert scatter(made) * largest == pytest.approx(0.01, rel=0.4)
    assert scatter(runs) == pytest.approx(0.0227, abs=1e-4)
