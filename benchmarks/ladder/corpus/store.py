"""A corpus in memory and in one file: bytes by split and domain, where documents start, whence they come."""

from __future__ import annotations

import io
import json
import lzma
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SOURCES = {"general": ("dictionary", "documentation", "prose"), "code": ("python", "c")}
"""Source → its domains: what a model is trained on, and what it is validated on."""

DOMAINS = tuple(domain for domains in SOURCES.values() for domain in domains)
SPLITS = ("train", "validation")

# A window of 256 MiB holds the whole corpus: what two packages share is stored once, wherever the documents lie.
# Whoever reads it needs that much memory too.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 28}]

Table = Mapping[str, Mapping[str, NDArray[Any]]]


@dataclass(frozen=True)
class Corpus:
    """Documents by split and domain.

    Attributes:
        text: split → domain → all bytes, ``(byte,)`` uint8: documents one after another, each ended by one 0.
        starts: split → domain → where documents start, and the end of the last, ``(document + 1,)`` int64.
        manifest: one row a package: where it comes from, its licence, and how much of it each split holds.
    """

    text: Table
    starts: Table
    manifest: tuple[Mapping[str, Any], ...] = ()

    def documents(self, split: str, domain: str) -> list[bytes]:
        """The documents, without the 0 that ends each."""
        data, starts = self.text[split][domain].tobytes(), self.starts[split][domain]
        return [data[start : end - 1] for start, end in pairwise(starts)]

    def source(self, split: str, source: str) -> NDArray[np.uint8]:
        """All bytes of a source, ``(byte,)``: its domains in the order of ``SOURCES``."""
        return np.concatenate([self.text[split][domain] for domain in SOURCES[source]])


def from_documents(
    documents: Mapping[str, Mapping[str, Iterable[bytes]]], manifest: Iterable[Mapping[str, Any]] = ()
) -> Corpus:
    """A corpus of documents, by split and domain.

    Args:
        documents: split → domain → documents, none of which may hold a 0.
        manifest: rows of packages.

    Raises:
        ValueError: If a document holds a 0, which ends documents.
    """
    text: dict[str, dict[str, NDArray[np.uint8]]] = {split: {} for split in SPLITS}
    starts: dict[str, dict[str, NDArray[np.int64]]] = {split: {} for split in SPLITS}
    for split in SPLITS:
        for domain in DOMAINS:
            held = list(documents[split][domain])
            for i, document in enumerate(held):
                if b"\0" in document:
                    raise ValueError(
                        f"document {i} of {domain}, {split}, holds a byte 0, which ends documents: clean it first"
                    )
            sizes = np.array([len(document) + 1 for document in held], dtype=np.int64)
            text[split][domain] = np.frombuffer(b"".join(document + b"\0" for document in held), dtype=np.uint8)
            starts[split][domain] = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    return Corpus(text, starts, tuple(manifest))


def save(corpus: Corpus, path: Path | str) -> None:
    """Write one file, the same bytes for the same corpus: xz around NumPy's npz.

    xz with a wide window takes some minutes for 250 MB. The text comes first and the starts last, so that like
    stands beside like.
    """
    arrays = {f"text/{split}/{domain}": corpus.text[split][domain] for domain in DOMAINS for split in SPLITS}
    # Lengths of documents repeat and are small; starts grow and don't compress.
    arrays |= {
        f"lengths/{split}/{domain}": np.diff(corpus.starts[split][domain]) for domain in DOMAINS for split in SPLITS
    }
    rows = json.dumps([dict(row) for row in corpus.manifest], sort_keys=True).encode()
    arrays["manifest"] = np.frombuffer(rows, dtype=np.uint8)
    held = io.BytesIO()
    np.savez(held, allow_pickle=False, **arrays)
    Path(path).write_bytes(lzma.compress(held.getbuffer(), format=lzma.FORMAT_XZ, filters=FILTERS))


def load(path: Path | str) -> Corpus:
    """Read what `save` wrote."""
    held = io.BytesIO(lzma.decompress(Path(path).read_bytes()))
    with np.load(held, allow_pickle=False) as arrays:
        text = {split: {domain: arrays[f"text/{split}/{domain}"] for domain in DOMAINS} for split in SPLITS}
        starts = {
            split: {domain: _starts(arrays[f"lengths/{split}/{domain}"]) for domain in DOMAINS} for split in SPLITS
        }
        manifest = json.loads(arrays["manifest"].tobytes())
    return Corpus(text, starts, tuple(manifest))


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
