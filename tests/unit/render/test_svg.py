"""A diagram as SVG: well formed, whole, and nothing over another."""

from __future__ import annotations

from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from penstock.core.render.diagram import Arrow, Diagram, Line
from penstock.core.render.svg import Picture, svg_of
from unit.render.test_drawing import diagrams

SVG = "{http://www.w3.org/2000/svg}"


def read(*pictures: Picture) -> ElementTree.Element:
    return ElementTree.fromstring(svg_of(pictures))


def texts(root: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in root.iter(f"{SVG}text")]


def numbers(element: ElementTree.Element, *names: str) -> list[float]:
    return [float(element.attrib[name]) for name in names]


def boxes(root: ElementTree.Element) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of each box, on the paper."""
    found = []
    for group in root.iter(f"{SVG}g"):
        x, y = map(float, group.attrib["transform"].removeprefix("translate(")[:-1].split())
        for each in group.iter(f"{SVG}rect"):
            left, top, width, height = numbers(each, "x", "y", "width", "height")
            found.append((x + left, y + top, x + left + width, y + top + height))
    return found


def test_text_is_escaped_and_what_a_reader_cannot_take_is_marked() -> None:
    line = Line('<script>alert("1") & more</script>\x1b\x00')
    root = read(Picture("a < b", Diagram(((line,),), ())))
    assert texts(root) == ["a < b", '<script>alert("1") & more</script>��']
    assert not list(root.iter(f"{SVG}script"))


def test_the_kind_of_a_line_is_its_class_and_what_gates_is_dashed() -> None:
    made = Diagram(
        ((Line("a", "title"),), (Line("b", "end"), Line("FP32 [n]", "type"))),
        (Arrow(0, 1), Arrow(0, 1, dashed=True)),
    )
    root = read(Picture("p", made))
    kinds = [each.attrib["class"] for each in root.iter(f"{SVG}text")]
    assert sorted(kinds) == ["end", "heading", "title", "type"]
    paths = [each.attrib["class"] for each in root.iter(f"{SVG}path")]
    assert sorted(paths) == ["gate-tip", "line", "line gate", "tip"]


def test_it_has_colours_for_the_light_and_the_dark() -> None:
    assert "@media (prefers-color-scheme: dark)" in svg_of([])


def test_several_pictures_stand_one_below_the_other() -> None:
    one = Diagram(((Line("x"),),), ())
    first, second = boxes(read(Picture("p", one), Picture("q", one)))
    assert second[1] > first[3]


def test_a_circle_is_no_picture() -> None:
    circle = Diagram(((Line("a"),), (Line("b"),)), (Arrow(0, 1), Arrow(1, 0)))
    with pytest.raises(ValueError, match="circle"):
        svg_of([Picture("p", circle)])


@settings(max_examples=100, deadline=None)
@given(diagrams())
def test_every_box_is_whole_and_every_arrow_arrives(made: Diagram) -> None:
    root = read(Picture("p", made))
    places = boxes(root)
    assert len(places) == len(made.boxes)
    assert sorted(texts(root)) == sorted(["p", *(line.text for box in made.boxes for line in box)])
    for one, other in combinations(places, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart
    right, bottom = numbers(root, "width", "height")
    assert all(box[2] <= right and box[3] <= bottom for box in places)
    tips = [e.attrib["class"] for e in root.iter(f"{SVG}path") if "tip" in e.attrib["class"]]
    assert len(tips) == len(made.arrows)
