"""All that in a table is likely wrong, from units to runs that went wrong; nothing is dropped because of it."""

from __future__ import annotations

from flpjax.ladder.audit.checkpoints import broken_checkpoints
from flpjax.ladder.audit.direction import wrong_directions
from flpjax.ladder.audit.fault import Fault
from flpjax.ladder.audit.outlying import outlying_runs
from flpjax.ladder.audit.repeats import repeated_values
from flpjax.ladder.audit.reversals import reversed_runs
from flpjax.ladder.audit.units import wrong_units
from flpjax.ladder.positive import without_signed
from flpjax.ladder.table import Runs


def audit_alone(runs: Runs) -> tuple[Fault, ...]:
    """Name what is likely wrong in runs without asking others, as of those held out."""
    runs = without_signed(runs)
    return (*wrong_units(runs), *broken_checkpoints(runs)) if len(runs) else ()


def audit(runs: Runs) -> tuple[Fault, ...]:
    """Name what is likely wrong, severe ones first.

    Losses that may be negative are not looked at: they have no logarithm.

    Args:
        runs: The ladder, without its held-out runs.
    """
    if not len(runs):
        return ()
    runs = without_signed(runs)
    found = [*wrong_units(runs), *broken_checkpoints(runs), *outlying_runs(runs)]
    named = [name for name in runs.names if any(f"'{name}'" in fault.what for fault in found)]
    found += [
        *reversed_runs(runs, named),
        *repeated_values(runs),
        *wrong_directions(runs),
    ]
    return tuple(sorted(found, key=lambda fault: not fault.severe))
