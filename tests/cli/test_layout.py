"""Tables take the shape that fits, paragraphs break at words, and numbers of any size can be read."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from flpjax.cli.console import UNLIMITED
from flpjax.cli.layout import Paragraph, table
from flpjax.cli.text import fixed, folded, loss, number, percent, signed, span, visible, wrapped

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
NUMBERS = st.sampled_from(["", "-", "0.5", "12.3 to 45.6", "+2.46 (-1.11 to +5.55)", "1.35e+45"])


@given(
    st.lists(st.tuples(NAMES, *[NUMBERS] * 5), min_size=1, max_size=5),
    st.lists(st.sampled_from(["a", "final loss", "90 % interval", ""]), min_size=5, max_size=5),
    st.integers(40, 130),
)
def test_no_line_is_wider_and_every_cell_is_there(rows, columns, width):
    sheet = table("title", ["run", *columns], rows)
    lines = sheet.lines(width)
    assert max(map(cell_len, lines)) <= width
    for name, *numbers in rows:
        for text in (visible(name).strip(), *numbers):
            told = text if cell_len(text) < width - 4 else text[:5]
            assert any(told in line.replace("\u200e", "") for line in lines)


def test_shapes():
    rows = [["a" * 20, "1.234", "2.345", "3.456"], ["b", "4.567", "5.678", "6.789"]]
    columns = ["run", "first long", "second long", "third long"]
    sheet = table("t", columns, rows)
    assert sheet.lines(80)[0].split() == ["run", "first", "long", "second", "long", "third", "long"]
    assert sheet.lines(50)[2].startswith(" \0"), "the headings are folded"
    assert sheet.lines(50)[3].split() == rows[0]
    assert sheet.lines(40)[4:6] == [" " + "a" * 20, "   1.234   2.345  3.456"], "the name stands above"
    wide = table("t", ["run", *(f"column{i}" for i in range(12))], [["r1", *["0.123456"] * 12]])
    assert sum(line.startswith(" r1") for line in wide.lines(60)) == 3, "three blocks, each with the name"
    long = table("t", ["run", *(f"column{i}" for i in range(12))], [["r" * 40, *["0.123456"] * 12]])
    assert "column7: 0.123456," in " ".join(long.lines(60)), "one record a row"


def test_into_a_file_nothing_is_wrapped():
    file = io.StringIO()
    console = Console(file=file, width=UNLIMITED)
    console.print(table("t" * 300, ["run", "x"], [["r" * 20_000, "1"]]))
    console.print(Paragraph("word " * 5000, head="note:"))
    lines = file.getvalue().split("\n")
    assert lines[0] == "t" * 300
    assert "r" * 20_000 + "  1" in lines[3]
    assert lines[5].startswith("note: word word")
    assert lines[6] == ""


def test_paragraphs_break_at_words_and_not_before_a_unit():
    assert wrapped("one two three four", 9, 2) == ["one two", "  three", "  four"]
    assert wrapped("held by 90 % of all", 12) == ["held by 90 %", "of all"]
    assert wrapped("arxiv ≥ 0.05; code ≤ 1", 13) == ["arxiv ≥ 0.05;", "code ≤ 1"]
    assert wrapped("  FAIL runs: too few", 12, 4) == ["  FAIL runs:", "    too few"]


def test_a_name_is_folded_where_its_parts_meet_and_no_number_is_broken():
    assert folded("d=96_l=8_lr=1e-05-width=0.25", 12) == ["d=96_l=8_lr=", "1e-05-width=", "0.25"]
    assert folded("模型" * 5, 8) == ["模型模型", "模型模型", "模型"]


def test_control_characters_and_turns_of_direction_are_written_out():
    assert visible("a\x1b[31mb\nc\u202ed\u200d") == r"a\x1b[31mb\x0ac\u202ed" + "\u200d"
    (line,) = (line for line in table("t", ["", "x"], [["נס", "1"]]).lines(40) if "נס" in line)
    assert line == " נס\u200e  1", "a number stays where it is"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (loss(1.350512848309352e45), "1.35e+45"),
        (loss(2.1084), "2.108"),
        (loss(0.0), "0.000"),
        (loss(3e-5), "3e-05"),
        (loss(None), "-"),
        (loss(float("nan")), "-"),
        (percent(0.0241), "2.4"),
        (percent(0.0003), "0.03"),
        (percent(1.0), "100.0"),
        (signed(-0.0), "+0.0"),
        (signed(1e7), "+1e+09"),
        (fixed(-2e-17, 4, sign=True), "+0.0000"),
        (number(999.6e6), "1B"),
        (number(1.28e9), "1.28B"),
        (number(3e16), "3e+16"),
        (span([10.6e6, 6.89e9]), "10.6M to 6.89B"),
        (span([154.1e6, 154.2e6]), "154M"),
        (span(None), "-"),
    ],
)
def test_numbers(text, shown):
    assert text == shown
