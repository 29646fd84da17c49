"""What in a table is likely wrong is named, with the run or the column; a clean ladder is not suspected."""

import numpy as np
import pytest

from flpjax.ladder.audit.audit import audit
from flpjax.ladder.audit.fault import Kind
from flpjax.ladder.audit.reversals import reversed_runs
from flpjax.ladder.audit.units import flops_departures
from flpjax.ladder.build import build_runs
from flpjax.ladder.compute import transformer_flops, transformer_params
from flpjax.ladder.tasks import Task
from flpjax.results.check import check
from flpjax.results.ladder_checks import check_audit

N = 1e7 * 3.0 ** np.arange(7)
D = 20.0 * N
LOSS = 1.8 + 482.0 / N**0.348 + 2085.0 / D**0.366
SCORE = np.array([0.26, 0.31, 0.44, 0.61, 0.77, 0.88, 0.92])
CHANCE = (Task("t", chance=0.25),)


def ladder(loss=LOSS, score=SCORE, params=N, tokens=D, **more):
    columns = {"run": np.array(list("abcdefg"), object), "params": params, "tokens": tokens, "loss/c4": loss}
    columns |= {"score/t": score} | more
    return build_runs(columns, tasks={"t": CHANCE[0]}, source="by hand")


def at(values, i, value):
    changed = np.array(values)
    changed[i] = value
    return changed


def texts(runs):
    """What ``check`` says of likely faults."""
    known = set(map(str, audit(runs)))
    return [w for w in check(runs).warnings if w in known]


def test_a_clean_ladder_is_not_suspected():
    assert texts(ladder()) == []


def test_a_largest_run_that_bends_off_belongs():
    assert texts(ladder(loss=at(LOSS, 6, 1.06 * LOSS[6]))) == []


@pytest.mark.parametrize("i", [0, 3, 6])
@pytest.mark.parametrize("value", [7.76, 9e59, LOSS[0] * 2.0])
def test_a_diverged_run_is_named(i, value):
    said = texts(ladder(loss=at(LOSS, i, value)))
    assert any(f"'{'abcdefg'[i]}'" in text for text in said), said


def test_a_diverged_run_is_grave_and_tells_what_the_others_say():
    (fault,) = audit(ladder(loss=at(LOSS, 6, 7.76)))
    assert (fault.kind, fault.severe) == (Kind.RUNS, True)
    assert "its final 'loss/c4' is 7.76, where their trend says 2." in fault.what
    assert "--exclude 'g'" in fault.remedy
    figures = {finding.name: finding.figure for finding in check_audit(ladder(loss=at(LOSS, 6, 7.76)))}
    assert figures["outlying runs"] == fault.what, "nothing is cut"


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"loss": np.exp(LOSS)}, "'loss/c4'"),
        ({"params": D, "tokens": N}, "'params' and 'tokens'"),
        ({"tokens": D / 1e9}, "'tokens'"),
        ({"tokens": D / 2**19}, "'tokens'"),
        ({"params": N / 1e6}, "'params'"),
        ({"tokens": at(D, 3, D[3] / 1e9)}, "run 'd'"),
        ({"params": at(N, 0, D[0]), "tokens": at(D, 0, N[0])}, "run 'a'"),
        ({"flops": 6.0 * N * D * at(np.ones(7), 5, 3.0)}, "FLOPs of run 'f'"),
    ],
)
def test_a_wrong_unit_is_named_by_its_column_or_run(columns, named):
    said = texts(ladder(**columns))
    assert any(named in text for text in said), said


@pytest.mark.parametrize(("i", "value"), [(6, 0.0), (4, 0.0), (5, 0.02)])
def test_a_broken_evaluation_is_named(i, value):
    said = texts(ladder(score=at(SCORE, i, value)))
    assert any(f"'{'abcdefg'[i]}'" in text and "score/t" in text for text in said), said


@pytest.mark.parametrize(
    ("loss", "score", "i"),
    [
        (LOSS, at(SCORE, 6, 0.25), 6),  # its answers were not found: at chance, after .88
        (LOSS, at(SCORE, 5, 0.25), 5),
        (LOSS, at(SCORE, 0, 1.0), 0),
        (at(LOSS, 6, 1.1 * LOSS[5]), SCORE, 6),  # stopped while it diverged
        (at(LOSS, 4, 1.08 * LOSS[3]), SCORE, 4),
    ],
)
def test_a_run_that_contradicts_its_size_is_named_where_the_others_keep_their_order(loss, score, i):
    (said,) = texts(ladder(loss=loss, score=score))
    assert said.startswith(f"run '{'abcdefg'[i]}' does not belong to the others")


def test_reversals_of_a_noisy_task_are_its_noise():
    noisy = np.array([0.3, 0.5, 0.27, 0.55, 0.35, 0.6, 0.4])
    assert reversed_runs(ladder(score=noisy)) == []


def test_the_loss_of_another_run_is_named():
    said = texts(ladder(loss=at(LOSS, 6, LOSS[5])))
    assert any("'f' and 'g' have the same final loss" in text for text in said), said


def test_a_loss_that_no_size_changes_is_named():
    (fault,) = audit(ladder(loss=np.full(7, 3.0)))
    assert fault.severe
    assert fault.what == "column 'loss/c4' is 3 in every run"


def test_rounded_losses_of_late_checkpoints_may_tie():
    columns = run_of(40)
    columns["loss/c4"] = columns["loss/c4"].round(2)
    assert audit(build_runs(columns, tasks={"t": CHANCE[0]})) == ()


def test_tasks_that_fall_and_losses_that_rise():
    fallen = np.linspace(0.460, 0.249, 7)
    (fault,) = audit(ladder(score=fallen))
    assert fault.kind == Kind.TRENDS
    assert "'t' (46.0 → 24.9 %)" in fault.what
    assert any("losses that rise with compute: 'loss/c4'" in str(f) for f in audit(ladder(loss=LOSS[::-1])))
    (below,) = audit(ladder(score=np.linspace(0.10, 0.14, 7)))
    assert "'t' (12.0 %, chance 25.0)" in below.what


def run_of(steps, final=1.0):
    """Five checkpoints a run: the loss falls to its end."""
    shape = np.linspace(1.25, final, steps)
    return {
        "run": np.repeat(list("abcdefg"), steps).astype(object),
        "params": np.repeat(N, steps),
        "tokens": (D[:, None] * np.arange(1, steps + 1) / steps).ravel(),
        "loss/c4": (LOSS[:, None] * shape).ravel(),
        "score/t": np.repeat(SCORE, steps) + np.tile(np.linspace(-0.005, 0.0, steps), 7),
    }


@pytest.mark.parametrize(
    ("column", "row", "value", "words"),
    [
        ("loss/c4", 17, 9.0, "run 'd': column 'loss/c4' is 9 at"),
        ("loss/c4", 19, 4.9, "run 'd' diverged"),
        ("score/t", 32, 0.0, "run 'g': column 'score/t' is 0 at"),
        ("score/t", 20, 0.0, "run 'e': column 'score/t' is 0 at"),
        ("score/t", slice(25, 30), 0.87, "run 'f': column 'score/t' is stuck at 0.87"),
        ("loss/c4", slice(27, 30), LOSS[5], f"run 'f': column 'loss/c4' is stuck at {LOSS[5]:.6g} for 3 checkpoints"),
    ],
)
def test_a_broken_checkpoint_is_named(column, row, value, words):
    columns = run_of(5)
    assert audit(build_runs(columns, tasks={"t": CHANCE[0]})) == ()
    columns[column][row] = value
    said = texts(build_runs(columns, tasks={"t": CHANCE[0]}))
    assert any(words in text for text in said), said


def test_a_column_that_jumps_in_most_runs_is_one_fault_of_the_column():
    """OLMo's boolq, a few bytes of "yes" or "no": 27 lines on 30 runs said that each was broken."""
    columns = run_of(5)
    columns["loss/boolq"] = columns["loss/c4"].copy()
    for run in range(6):
        columns["loss/boolq"][5 * run + 2] *= 1.5
    (fault,) = audit(build_runs(columns, tasks={"t": CHANCE[0]}))
    assert "column 'loss/boolq' jumps from checkpoint to checkpoint in 6 of 7 runs: in 'a' " in fault.what
    assert not fault.severe
    columns["loss/c4"][17] = 9.0  # one run's own fault is still its own
    said = [fault.what for fault in audit(build_runs(columns, tasks={"t": CHANCE[0]}))]
    assert any(text.startswith("run 'd': column 'loss/c4' is 9 at") for text in said)


def test_one_rule_with_attention_made_flops_of_several_shapes():
    """Excess ``6·layers·width·context / N``: shapes of one size differ in it, and no power of N fits them all."""
    layers, width = np.array([4, 16, 6, 24, 12, 8, 32]), np.array([512, 256, 768, 384, 768, 1024, 512])
    params = transformer_params(layers, width, 8 * width // 3)
    tokens = 20.0 * params
    flops = transformer_flops(tokens, params, layers, width, 2048)
    assert not flops_departures(params, tokens, flops)[0].any()
    assert flops_departures(params, tokens, at(flops, 3, 2.5 * flops[3]))[0].tolist() == [i == 3 for i in range(7)]


def test_a_run_held_out_is_looked_at_by_itself():
    runs = ladder(loss=at(LOSS, 6, 9e59)).hold_out(["g"])
    assert [w for w in check(runs).warnings if w.startswith("held out: run 'g'")]
    assert not audit(runs.training())


def test_runs_of_almost_one_compute_tell_no_slope():
    """Held-out runs of three corpora (Gadre et al.) were called perplexities, so unlike are corpora."""
    params = np.array([1.44e9, 6.89e9] * 3)
    tokens = np.array([115e9, 138e9, 921e9, 138e9, 460e9, 138e9])
    loss = np.array([3.225, 3.123, 1.965, 1.900, 2.265, 2.172])
    runs = build_runs(
        {"run": np.array(list("abcdef"), object), "params": params, "tokens": tokens, "loss/openlm": loss}
    )
    assert not [fault for fault in audit(runs) if fault.kind == Kind.UNITS]
