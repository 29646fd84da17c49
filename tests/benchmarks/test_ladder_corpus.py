from dataclasses import replace

import numpy as np
import pytest

from benchmarks.ladder.corpus import DOMAINS, SOURCES, SPLITS, installed_corpus, load, save
from benchmarks.ladder.corpus.build import assemble
from benchmarks.ladder.corpus.clean import html, man, plain, pod
from benchmarks.ladder.corpus.dedup import Seen, is_text, pieces
from benchmarks.ladder.corpus.formats import documents, synset, together
from benchmarks.ladder.corpus.packages import Package, packages
from benchmarks.ladder.corpus.split import CAPS, VALIDATION, capped, ordered, place, side
from benchmarks.ladder.corpus.store import from_documents

FOX = (
    "The quick brown fox jumps over the lazy dog, and the dog, which is not that lazy, gets up and runs after the fox."
)
DOG = (
    "A dog that runs after a fox for an hour has had its day, says the proverb, and may sleep until the evening comes."
)


@pytest.fixture(scope="module")
def installed():
    return installed_corpus()


# The store


def test_a_file_holds_what_was_saved_and_is_the_same_file_again(tmp_path):
    held = {
        split: {domain: [f"{split} {domain} {i}".encode() for i in range(3)] for domain in DOMAINS} for split in SPLITS
    }
    held["validation"]["prose"] = []
    rows = [{"package": "dict-gcide", "licence": "GPL-3+", "train": 11}]
    corpus = from_documents(held, rows)
    save(corpus, tmp_path / "a")
    save(corpus, tmp_path / "b")
    again = load(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert list(again.manifest) == rows
    for split in SPLITS:
        for domain in DOMAINS:
            assert again.documents(split, domain) == held[split][domain]
            assert again.text[split][domain].dtype == np.uint8
            assert again.starts[split][domain].dtype == np.int64
    assert again.starts["train"]["c"].tolist() == [0, 10, 20, 30]
    assert again.starts["validation"]["prose"].tolist() == [0]


def test_a_source_is_its_domains_in_order():
    held = {split: {domain: [domain.encode()] for domain in DOMAINS} for split in SPLITS}
    corpus = from_documents(held)
    assert corpus.source("train", "general").tobytes() == b"dictionary\0documentation\0prose\0"
    assert corpus.source("validation", "code").tobytes() == b"python\0c\0"
    assert sum(SOURCES.values(), ()) == DOMAINS


def test_a_document_with_a_zero_is_refused():
    held = {split: {domain: [] for domain in DOMAINS} for split in SPLITS}
    held["train"]["c"] = [b"int main", b"a\0b"]
    with pytest.raises(ValueError, match="document 1 of c, train, holds a byte 0"):
        from_documents(held)


# Cleaning


def test_plain_text_is_ascii_with_common_signs_transliterated():
    assert plain("“Naïve” café — it’s\u00a0fine… 東京") == '"Naive" cafe -- it\'s fine...'
    assert plain("a  \r\nb\t\n\n\n\n\nc\x07\0") == "a\nb\n\nc"


def test_html_goes_and_the_text_stays():
    pytest.importorskip("inscriptis")
    page = (
        "<html><head><title>T</title><style>p {}</style></head><body>"
        "<div class='navheader'>Next</div><h1>Fish &amp; chips</h1>"
        "<p>One <b>two</b>\nthree.</p><pre>a\n  b</pre><script>x()</script></body></html>"
    )
    text = plain(html(page))
    assert "Fish & chips" in text
    assert "One two three." in text
    assert "a\n  b" in text
    assert not any(mark in text for mark in ("<", "Next", "x()", "p {}"))
    assert html(" ") == ""


def test_a_manual_page_is_typeset():
    try:
        text = man(b".TH A 1\n.SH NAME\na \\- \\fBbold\\fR word\n")
    except FileNotFoundError:
        pytest.skip("no groff")
    assert "a - bold word" in text


def test_marks_of_pod_go():
    assert pod("=head1 NAME\n\nUse C<< $x->y >> and L<the list|perlfunc>, B<I<now>>.\n\n=cut\n").split() == (
        ["NAME", "Use", "$x->y", "and", "the", "list,", "now."]
    )


def test_a_line_of_wordnet_is_an_entry():
    line = '00001740 03 n 02 physical_entity 0 thing 8 001 @ 00001930 n 0000 | that which exists; "a thing"  '
    assert synset(line) == 'physical entity, thing: that which exists; "a thing"'
    assert synset("  1 This software and database is being provided to you") == ""


def test_entries_are_gathered():
    assert list(together("abcde", "+", least=2)) == [("0", "a+b"), ("1", "c+d"), ("2", "e")]


def test_tables_of_numbers_and_packed_lines_are_no_text():
    assert is_text(FOX + DOG, "prose")
    assert not is_text("0.125, 0.375, 0.625, 17\n" * 40, "python")
    assert is_text("x = call(a)\n" * 40, "python")
    assert not is_text("function(a,b);" * 40, "c")  # one line


# Deduplication


def test_a_repeated_paragraph_is_dropped_and_a_short_one_is_not():
    seen = Seen()
    first = seen.fresh(f"{FOX}\n\nreturn 0;\n\n{DOG}")
    assert first.count("\n\n") == 2
    other = (
        "Something else is told here, which is about neither of the two, and goes on for long enough to be held. " * 2
    )
    assert seen.fresh(f"return 0;\n\n{'  '.join(FOX.split())}\n\n{other}") == f"return 0;\n\n{other}"
    assert seen.fresh(f"{DOG}\n\nnothing new") == ""  # too little is left
    assert seen.fresh(f"{FOX}\n\nreturn 0;\n\n{DOG}") == ""


def test_long_documents_are_cut_at_paragraphs_and_lose_nothing():
    text = "\n\n".join(f"{i} {FOX}" for i in range(33))
    cut = list(pieces(text, 700))
    assert max(map(len, cut)) <= 700
    assert "\n\n".join(cut) == text


# The split


def test_places_are_stable():
    # Written down from blake2b: a change of it would silently move documents across the split.
    assert place("linux/a.c", "split") == pytest.approx(0.4914567852, abs=1e-12)
    assert side("linux/a.c", 0.4914567852 + 0.01) == "validation"
    assert side("linux/a.c", 0.4914567852 - 0.01) == "train"


def test_the_share_is_kept_and_the_cap_takes_a_prefix():
    names = [f"p/{i}" for i in range(5003)]
    assert np.mean([side(name, 0.04) == "validation" for name in names]) == pytest.approx(0.04, abs=0.01)
    kept = capped(dict.fromkeys(names, 7), 700)
    assert kept == ordered(names)[:100]


def test_pieces_of_a_document_fall_on_one_side():
    texts = {domain: {f"p/{domain}{i}": f"{domain} {i} {FOX}\n\n" * 2000 for i in range(11)} for domain in DOMAINS}
    corpus = assemble(texts, dict.fromkeys(DOMAINS, 10**8), dict.fromkeys(DOMAINS, 0.3), [Package("p", "c", "MIT")])
    for domain in DOMAINS:
        sides = [{part.split()[1] for part in corpus.documents(split, domain)} for split in SPLITS]
        assert len(corpus.documents("train", domain)) > len(sides[0]) > 0
        assert not sides[0] & sides[1]
    (row,) = corpus.manifest
    assert row["train"] == sum(len(corpus.text["train"][domain]) for domain in DOMAINS)
    assert row["registry"] == "Debian"


# What is installed


def test_the_installed_corpus_is_the_same_again(installed):
    again = installed_corpus()
    for split in SPLITS:
        for domain in DOMAINS:
            np.testing.assert_array_equal(installed.text[split][domain], again.text[split][domain])


def test_the_installed_corpus_has_enough_of_each_domain_and_nothing_twice(installed):
    for domain in DOMAINS:
        train, validation = (installed.documents(split, domain) for split in SPLITS)
        assert len(set(train + validation)) == len(train) + len(validation)
        assert len(installed.text["validation"][domain]) >= 60_000
        paragraphs = [
            {part for text in held for part in text.split(b"\n\n") if len(part) > 200} for held in (train, validation)
        ]
        assert not paragraphs[0] & paragraphs[1]
        assert set(np.unique(installed.text["train"][domain])) <= {0, 9, 10, *range(32, 127)}


# The list of packages


def test_each_package_has_a_licence_and_wheels_are_pinned():
    held = packages()
    assert len({package.name for package in held}) == len(held)
    assert {package.domain for package in held} == set(DOMAINS) == set(CAPS) == set(VALIDATION)
    for package in held:
        assert package.licence
        assert package.registry == ("PyPI" if package.version else "Debian")
        assert bool(package.inside) == (package.format == "tar")


def test_documents_of_a_package_are_named_by_their_path(tmp_path):
    (tmp_path / "PyPI" / "a").mkdir(parents=True)
    (tmp_path / "PyPI" / "a" / "x.py").write_text("# é\nx = 1\n", encoding="utf-8")
    (tmp_path / "PyPI" / "a" / "x.txt").write_text("no\n", encoding="utf-8")
    package = replace(Package("p", "python", "MIT", version="1"), folder=tmp_path / "PyPI")
    assert list(documents(package)) == [("p/a/x.py#", "# e\nx = 1")]
