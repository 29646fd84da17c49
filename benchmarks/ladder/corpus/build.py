"""From packages to a corpus: read, clean, deduplicate, split, cap."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.ladder.corpus.dedup import Seen, is_text, pieces
from benchmarks.ladder.corpus.formats import documents
from benchmarks.ladder.corpus.packages import Package, fetch, packages
from benchmarks.ladder.corpus.split import CAPS, VALIDATION, capped, ordered, side
from benchmarks.ladder.corpus.store import DOMAINS, SPLITS, Corpus, from_documents


def build(cache: Path, note: Callable[[str], None] = print) -> Corpus:
    """Build the corpus of ``packages.toml``.

    Args:
        cache: folder of downloads; what is there is not downloaded again.
        note: is told of each package, as it is read.
    """
    seen = Seen()
    texts: dict[str, dict[str, str]] = {domain: {} for domain in DOMAINS}
    held: dict[str, Package] = {}
    for package in packages():
        held[package.name] = fetch(package, cache)
        before = len(texts[package.domain])
        for name, text in documents(held[package.name]):
            if is_text(text, package.domain) and (text := seen.fresh(text)):
                texts[package.domain][name] = text
        size = sum(map(len, list(texts[package.domain].values())[before:]))
        note(f"{package.domain}: {package.name} {held[package.name].version}: {size / 1e6:.2f} MB")
    return assemble(texts, CAPS, VALIDATION, list(held.values()))


def assemble(
    texts: Mapping[str, Mapping[str, str]],
    caps: Mapping[str, int],
    shares: Mapping[str, float],
    sources: Iterable[Package] = (),
) -> Corpus:
    """Split and cap clean texts.

    A long text is cut only now, and all its pieces fall on the text's side.

    Args:
        texts: domain → name → text, free of repeats; a name starts with its package, then ``/``.
        caps: domain → bytes.
        shares: domain → share of documents for validation.
        sources: packages, for the manifest.
    """
    split: dict[str, dict[str, list[bytes]]] = {part: {domain: [] for domain in DOMAINS} for part in SPLITS}
    counts: dict[str, dict[str, int]] = {}
    for domain in DOMAINS:
        kept = capped({name: len(text) for name, text in texts[domain].items()}, caps[domain])
        for name in ordered(kept):
            part = side(name, shares[domain])
            cut = [piece.encode("ascii") for piece in pieces(texts[domain][name])]
            split[part][domain] += cut
            row = counts.setdefault(name.partition("/")[0], {"documents": 0, "train": 0, "validation": 0})
            row["documents"] += len(cut)
            row[part] += sum(len(piece) + 1 for piece in cut)
    return from_documents(split, [_row(source, counts.get(source.name)) for source in sources])


def _row(source: Package, count: Mapping[str, int] | None) -> dict[str, Any]:
    facts = {
        "package": source.name,
        "registry": source.registry,
        "version": source.version,
        "licence": source.licence,
        "domain": source.domain,
    }
    return facts | dict(count or {"documents": 0, "train": 0, "validation": 0})
