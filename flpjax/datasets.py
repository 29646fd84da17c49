"""Data sets by name: ``ladder()`` comes with the package; :func:`flpjax.read_runs` reads public ones by name, too."""

from __future__ import annotations

from flpjax.readers.ladders import read_ladder
from flpjax.runs.table import Runs


def ladder() -> Runs:
    """Our own ladder: FLP-M's experiment, trained small, on mixtures of English and code.

    Six sizes of 0.16M to 4.8M parameters at six shares of code, a second seed at one of them; held out, the sizes 8.8M and
    19M, and runs at the mixtures that were proposed as best. Thirty checkpoints a run, losses on five domains in nats per
    byte, six tasks. ``flpjax/readers/shipped/ladder.md`` is its data card.
    """
    return read_ladder("ladder")
