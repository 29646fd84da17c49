"""Build the corpus of the ladder and show what it is made of.

``python -m benchmarks.ladder.corpus --out FILE [--cache FOLDER]``. Needs the extra ``ladder``, a Debian machine
(``apt-get``, ``dpkg-deb``, ``groff``) and its registries: 2 GB are downloaded.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.ladder.corpus.build import build
from benchmarks.ladder.corpus.store import DOMAINS, SOURCES, SPLITS, Corpus, save
from benchmarks.report import show


def main() -> None:
    """Build, save, show."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--out", type=Path, required=True, metavar="FILE", help="write the corpus here (.npz.xz)")
    arguments.add_argument("--cache", type=Path, metavar="FOLDER", help="keep downloads here")
    given = arguments.parse_args()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as passing:
        corpus = build(given.cache or Path(passing), partial(print, flush=True))
    built = time.perf_counter()
    save(corpus, given.out)
    packed = time.perf_counter()
    tables(corpus)
    size = given.out.stat().st_size
    times = f"built in {built - begun:.0f} s, packed in {packed - built:.0f} s"
    print(f"{given.out}: {size:,} bytes ({size / 2**20:.1f} MiB); {times}")


def tables(corpus: Corpus) -> None:
    """Show the packages, and the bytes and documents of each domain."""
    columns = ("package", "registry", "version", "licence", "domain", "documents", "train", "validation")
    show(
        "Packages (bytes of train and validation)",
        columns,
        ([row[column] for column in columns] for row in corpus.manifest),
    )
    rows = []
    for source, domains in SOURCES.items():
        for domain in domains:
            documents = [len(corpus.starts[split][domain]) - 1 for split in SPLITS]
            rows.append([domain, source, *documents, *(f"{len(corpus.text[split][domain]):,}" for split in SPLITS)])
        total = [f"{sum(len(corpus.text[split][domain]) for domain in domains):,}" for split in SPLITS]
        rows.append([f"all {source}", source, None, None, *total])
    counted = ("domain", "source", "documents train", "documents validation", "bytes train", "bytes validation")
    show(f"{len(DOMAINS)} domains", counted, rows)


if __name__ == "__main__":
    main()
