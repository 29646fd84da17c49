"""The process that runs inputs one after the other; it may hang or crash, and another goes on behind the input.

``python -m benchmarks.fuzz.worker FOLDER SEED FIRST END [KIND …]`` writes a line of JSON for each input to stdout.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import sys
from pathlib import Path

from benchmarks.fuzz.cases import case
from benchmarks.fuzz.reduced import reduced
from benchmarks.fuzz.trial import built_once, trial

MEMORY = 16 * 2**30  # bytes of address space: an input that asks for more shall fail here and not the machine
PATIENCE = 60  # seconds after which the traceback of a hang is written


def main() -> None:
    """Run the inputs of the arguments."""
    folder, seed, first, end = Path(sys.argv[1]), *map(int, sys.argv[2:5])
    kinds = sys.argv[5:]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    seen: set[str] = set()
    with (folder / "hang.txt").open("w", encoding="utf-8") as hang, built_once():
        for index in range(first, end):
            faulthandler.dump_traceback_later(PATIENCE, file=hang)
            given = case(seed, index, kinds=kinds)
            outcome = trial(given, folder / "work")
            if outcome.group and outcome.group not in seen and outcome.ended != "hang":
                seen.add(outcome.group)
                small = reduced(given, outcome, folder / "work")
                keep = folder / "found" / f"{index}"
                keep.mkdir(parents=True, exist_ok=True)
                for name, content in small.files.items():
                    (keep / name).parent.mkdir(parents=True, exist_ok=True)
                    (keep / name).write_bytes(content)
                (keep / "args.txt").write_text("\n".join(map(ascii, small.args)) + "\n", encoding="utf-8")
            faulthandler.cancel_dump_traceback_later()
            print(outcome.line(), file=channel, flush=True)


if __name__ == "__main__":
    main()
