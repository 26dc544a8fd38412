"""Graphs are drawn whole: every box with its text, every arrow to its end, nothing over another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.render.diagram import Arrow, Diagram, Line
from penstock.core.render.drawing import drawn


def shown(diagram: Diagram) -> list[str]:
    return ["".join(cell.text for cell in row) for row in drawn(diagram)]


def diagram(boxes: str, *arrows: str) -> Diagram:
    """Boxes by their names; arrows as ``a>b``, dashed ones as ``a~b``."""
    names = boxes.split()
    made = []
    for arrow in arrows:
        dashed = "~" in arrow
        source, target = arrow.split("~" if dashed else ">")
        made.append(Arrow(names.index(source), names.index(target), dashed))
    return Diagram(tuple((Line(name, "title"),) for name in names), tuple(made))


def test_a_diamond() -> None:
    edges = ("in>left", "in>right", "left>join", "right>join")
    assert shown(diagram("in left right join", *edges)) == [
        "       ╭─────╮",
        "       │ in  │",
        "       ╰──┬──╯",
        "    ╭─────┴─────╮",
        "    ▼           ▼",
        "╭───────╮   ╭───────╮",
        "│ left  │   │ right │",
        "╰───┬───╯   ╰───┬───╯",
        "    ╰───╮   ╭───╯",
        "        ▼   ▼",
        "      ╭───────╮",
        "      │ join  │",
        "      ╰───────╯",
    ]


def test_what_only_gates_is_dashed() -> None:
    drawing = "\n".join(shown(diagram("in gate step", "in>gate", "in>step", "gate~step")))
    assert drawing.count("▽") == 1
    assert drawing.count("▼") == 2
    assert "╎" in drawing or "╌" in drawing


@pytest.mark.parametrize(
    ("name", "columns"),
    [("plain", 5), ("größe", 5), ("gro\u0308sse", 6), ("大小", 4), ("a\x1bb\nc", 5)],
    ids=["ascii", "umlaut", "combining", "wide", "control"],
)
def test_a_box_fits_its_text_whatever_its_letters(name: str, columns: int) -> None:
    rows = drawn(Diagram(((Line(name, "title"), Line("x" * 9)),), ()))
    assert [len(row) for row in rows] == [13] * 4
    text = "".join(cell.text for cell in rows[1])
    assert text == f"│ {name} ".translate({27: "�", 10: "�"}) + " " * (9 - columns) + "│"


def test_a_circle_is_no_diagram() -> None:
    with pytest.raises(ValueError, match="circle"):
        drawn(diagram("a b", "a>b", "b>a"))


def test_nothing_is_drawn_of_nothing() -> None:
    assert drawn(Diagram((), ())) == []


@st.composite
def diagrams(draw: st.DrawFn) -> Diagram:
    count = draw(st.integers(1, 12))
    boxes = tuple(
        tuple(
            Line(f"{'wide ' * draw(st.integers(0, 4))}{number}.{line}")
            for line in range(draw(st.integers(1, 3)))
        )
        for number in range(count)
    )
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=20)) if pairs else []
    return Diagram(boxes, tuple(Arrow(a, b, draw(st.booleans())) for a, b in chosen))


@settings(max_examples=150, deadline=None)
@given(diagrams())
def test_every_box_stands_whole_and_every_arrow_arrives(made: Diagram) -> None:
    rows = shown(made)
    drawing = "\n".join(rows)
    for box in made.boxes:
        for line in box:
            assert drawing.count(f" {line.text} ") == 1
    assert drawing.count("╰") >= len(made.boxes)
    solid = {arrow.target for arrow in made.arrows if not arrow.dashed}
    dashed = {arrow.target for arrow in made.arrows if arrow.dashed}
    assert drawing.count("▼") >= len(solid)
    assert drawing.count("▽") >= len(dashed)
    assert all(row == row.rstrip() for row in rows)


@settings(max_examples=50, deadline=None)
@given(diagrams())
def test_the_same_graph_is_drawn_the_same_way(made: Diagram) -> None:
    assert shown(made) == shown(made)
