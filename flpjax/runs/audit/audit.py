"""All that in a table is likely wrong, from units to runs that went wrong; nothing is dropped because of it."""

from __future__ import annotations

from flpjax.runs.audit.checkpoints import broken_checkpoints
from flpjax.runs.audit.direction import wrong_directions
from flpjax.runs.audit.fault import Fault
from flpjax.runs.audit.outlying import outlying_runs
from flpjax.runs.audit.repeats import repeated_values
from flpjax.runs.audit.units import wrong_units
from flpjax.runs.table import Runs


def audit_alone(runs: Runs) -> tuple[Fault, ...]:
    """Name what is likely wrong in runs without asking others, as of those held out."""
    return (*wrong_units(runs), *broken_checkpoints(runs)) if len(runs) else ()


def audit(runs: Runs) -> tuple[Fault, ...]:
    """Name what is likely wrong, the grave first.

    Args:
        runs: The ladder, without its held-out runs.
    """
    if not len(runs):
        return ()
    found = [
        *wrong_units(runs),
        *broken_checkpoints(runs),
        *outlying_runs(runs),
        *repeated_values(runs),
        *wrong_directions(runs),
    ]
    return tuple(sorted(found, key=lambda fault: not fault.grave))
