"""The experiment that made the embedded ladder, smaller than its miniature: plans, mixtures, models, rows."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import flpjax
from benchmarks.ladder import experiment as experiments
from benchmarks.ladder.__main__ import Job, jobs_of, main, run_experiment
from benchmarks.ladder.config import read_experiment
from benchmarks.ladder.corpus.installed import installed_corpus
from benchmarks.ladder.corpus.store import DOMAINS
from benchmarks.ladder.model import VOCABULARY, Decoder, log_probs
from benchmarks.ladder.runs import Run, runs_of
from benchmarks.ladder.training import Text, first_models, segment, windows

SIZES = (
    {"layers": 1, "width": 32, "context": 64},
    {"layers": 1, "width": 48, "context": 64, "head_width": 16, "target": True, "anchored": True},
)
SMALLER = {
    "sizes": SIZES,
    "checkpoints": 2,
    "bytes_per_parameter": 0.4,
    "windows": 5,
    "questions": 31,
    "code": [0.0, 0.5],
}


@pytest.fixture(scope="module", autouse=True)
def promotion():
    """Layers of flax lift ranks as NumPy does."""
    with jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture(scope="module")
def corpus():
    return installed_corpus()


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    experiment = read_experiment("tiny", **SMALLER)
    folder = tmp_path_factory.mktemp("ladder")
    return folder, run_experiment(experiment, corpus, folder, jobs_of(experiment))


def test_the_full_ladder_is_what_it_should_be():
    full = read_experiment("full")
    sampling = [size.params for size in full.sizes if not size.target]
    targets = [size.params for size in full.sizes if size.target]
    assert len(sampling) == 6
    assert sampling[-1] / sampling[0] > 30
    assert [round(target / sampling[-1]) for target in targets] == [2, 4]
    for size in full.sizes:
        plan = full.plan(size)
        assert plan.tokens(plan.steps) / size.params == pytest.approx(20, rel=0.02)
        assert plan.steps % 30 == 0
        assert plan.flops(plan.steps) == pytest.approx(
            plan.tokens(plan.steps) * 6 * (size.params + size.layers * size.width * size.context)
        )
    assert len({size.name for size in full.sizes}) == 8
    runs = runs_of(full, full.sizes[0])
    assert [run.code for run in runs] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.3]
    assert [run.name for run in runs][-1] == "0.16M-code0.3-seed1"
    keys = {tuple(np.asarray(jax.random.key_data(run.key()))) for run in runs}
    assert len(keys) == 7, "runs differ in their noise, too"


def test_parameters_are_counted_as_the_model_has_them():
    size = read_experiment("full").sizes[1]
    weights = nnx.state(nnx.eval_shape(lambda: Decoder(size, jnp.float32, nnx.Rngs(0))), nnx.Param)
    counts = {path: leaf.size for path, leaf in nnx.to_flat_state(weights)}
    inside = sum(n for path, n in counts.items() if path[0] == "blocks" and path[-1] == "kernel")
    assert inside == size.params


def test_a_byte_is_predicted_from_those_before_it():
    size = read_experiment("tiny").sizes[1]
    model = nnx.jit(lambda: Decoder(size, jnp.float32, nnx.Rngs(3)))()
    call = nnx.jit(lambda model, text: model(text))
    text = np.random.default_rng(1).integers(1, VOCABULARY, (2, 23))
    changed = text.copy()
    changed[:, 11] = 0
    before, after = call(model, text), call(model, changed)
    assert np.allclose(before[:, :11], after[:, :11], atol=1e-5)
    assert np.abs(before[:, 11:] - after[:, 11:]).max() > 1e-3
    each = jax.jit(jax.vmap(lambda byte: log_probs(before, jnp.full_like(text, byte))))
    assert np.allclose(np.exp(each(jnp.arange(VOCABULARY))).sum(0), 1.0, atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.37, 1.0])
def test_text_is_mixed_by_its_share(share):
    text = Text(jnp.concatenate([jnp.full(500, 1, jnp.uint8), jnp.full(700, 2, jnp.uint8)]), jnp.asarray(500))
    keys = jax.random.split(jax.random.key(5), 400)
    drawn = np.asarray(jax.vmap(lambda key: windows(key, text, jnp.asarray(share), batch=7, context=31))(keys))
    assert drawn.shape == (400, 7, 32)
    assert (drawn == drawn[..., :1]).all(), "no window crosses from one source to the other"
    code = (drawn[..., 0] == 2).sum(1)
    assert set(code) <= {np.floor(7 * share), np.ceil(7 * share)}
    assert code.mean() == pytest.approx(7 * share, abs=0.1)


def test_rows_pass_the_check_and_say_what_they_must(trained):
    folder, rows = trained
    runs = flpjax.read_runs(folder / "ladder.csv")
    assert runs.names == tuple(sorted({row["run"] for row in rows}, key=runs.names.index))
    assert len(rows) == 2 * (3 + 2)
    assert runs.domains == DOMAINS
    assert set(runs.task_names) == {"continuation", "gap", "next_line", "word", "indent", "recall"}
    assert runs.sources == ("general", "code")
    assert set(runs.targets().names) == {row["run"] for row in rows if row["held_out"] == "true"}
    assert len(runs.targets().names) == 2
    assert len(runs.finals()) == 5
    assert (runs.loss < np.log(VOCABULARY) + 0.5).all()
    one = runs.only(["0.013M-code0"])
    assert one.loss[-1].mean() < one.loss[0].mean(), "it learns"
    assert flpjax.check(runs).to_json()
    assert runs.notes == ()
    mapped = flpjax.read_runs(folder / "ladder.csv", folder / "ladder.toml")
    assert [task.chance for task in mapped.tasks] == [0.25, 0.25, 0.25, 0.0, 0.0, 0.0]
    assert all(task.chance_known for task in mapped.tasks)


def test_the_same_seed_gives_the_same_rows(trained, corpus, tmp_path):
    experiment = read_experiment("tiny", **SMALLER)
    assert run_experiment(experiment, corpus, tmp_path, jobs_of(experiment, only=["0.013M"])) == trained[1][:6]


def test_an_experiment_goes_on_where_it_stopped(trained, corpus, capsys, monkeypatch):
    folder, rows = trained
    monkeypatch.setattr("benchmarks.ladder.__main__.train_size", None)
    experiment = read_experiment("tiny", **SMALLER)
    assert run_experiment(experiment, corpus, folder, jobs_of(experiment)) == rows
    assert "is there" in capsys.readouterr().out
    assert len((folder / "log.txt").read_text().splitlines()) == 2


def test_a_folder_holds_one_configuration(trained, corpus):
    folder, _ = trained
    other = read_experiment("tiny", **{**SMALLER, "windows": 7})
    with pytest.raises(
        SystemExit, match=r"holds rows of another configuration \(experiment\.txt\): name another folder"
    ):
        run_experiment(other, corpus, folder, jobs_of(other))


def test_the_plan_costs_nothing(capsys):
    main(["--scale", "full", "--plan"])
    out = capsys.readouterr().out
    assert "18,972,672" in out
    assert "4.68e+16" in out


def test_proposed_mixtures_become_runs(tmp_path):
    file = tmp_path / "optima.json"
    optima = [{"for": "word", "code": 0.0}, {"for": "mean", "code": 0.218}]
    file.write_text(json.dumps({"size": "8.8M", "optima": optima}))
    experiment = read_experiment("full")
    job = jobs_of(experiment, optima=file)[-1]
    assert job.name == "8.8M-optima"
    assert [run.name for run in job.runs] == ["8.8M-code0-for-word", "8.8M-code0.218-for-mean"]
    taken = {(run.code, run.seed) for run in runs_of(experiment, job.runs[0].size)}
    assert not taken & {(run.code, run.seed) for run in job.runs}
    with pytest.raises(SystemExit, match=r"there is no 8\.9M: choose from 0\.16M"):
        jobs_of(experiment, only=["8.9M"])


def test_a_loss_that_is_not_finite_is_an_error(corpus, tmp_path):
    experiment = read_experiment("tiny", **SMALLER)
    broken = Job("broken", (Run(experiment.sizes[0], 0.5, haste=float("inf")),))
    with pytest.raises(FloatingPointError, match=r"the loss of 0\.013M-code0\.5-rateinf is not finite"):
        run_experiment(experiment, corpus, tmp_path, [broken])
    assert not list(tmp_path.glob("rows-*"))


def test_a_model_is_the_same_alone_and_in_company(corpus):
    """The model axis is only an axis: no model sees another."""
    experiment = dataclasses.replace(read_experiment("tiny", **SMALLER), compute="float32")
    size = experiment.sizes[0]
    plan, runs = experiment.plan(size), runs_of(experiment, size)
    text = experiments.lay_out(experiment, corpus).text
    train = segment(plan, experiment.training, experiment.compute)
    first = jnp.asarray(0, jnp.int32)  # as experiments have it: the same program
    together = train(first_models(plan, experiment.training, experiment.compute, runs), text, first)[1]
    single_model_share = train(first_models(plan, experiment.training, experiment.compute, runs[1:2]), text, first)[1]
    assert single_model_share[0] == pytest.approx(float(together[1]), rel=1e-4)
