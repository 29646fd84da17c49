"""Planted faults are named and clean ladders not suspected: the claim of ``python -m benchmarks.faults``, in small."""

from benchmarks.faults.__main__ import draw_faults, messages, named
from benchmarks.faults.ladders import simulated_ladders
from flpjax.datasets import ladder
from flpjax.ladder.audit.audit import audit

CLEAN = {"ladder": ladder().training()} | {name: runs for name, runs in simulated_ladders() if "seed" not in name}


def test_clean_ladders_are_not_suspected():
    assert {name: audit(runs) for name, runs in CLEAN.items() if audit(runs)} == {}


def test_planted_faults_are_named():
    drawn = draw_faults(list(CLEAN.items()), 21, seed=1)
    missed = [
        (name, fault.kind, fault.where) for name, fault in drawn if not named(fault, messages(fault, CLEAN[name]))
    ]
    assert len(missed) <= 2, missed
