"""Circles in a graph."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.manifests.circles import find_circles


def test_no_circle_in_a_diamond() -> None:
    assert find_circles({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}) == []


def test_a_circle_begins_with_its_first_name_and_follows_the_flow() -> None:
    assert find_circles({"x": ["a"], "a": ["b"], "b": ["c"], "c": ["a", "y"], "y": []}) == [
        ("a", "b", "c")
    ]


def test_each_circle_once() -> None:
    assert find_circles({"a": ["a"], "b": ["c"], "c": ["b"], "d": ["unknown"]}) == [
        ("a",),
        ("b", "c"),
    ]


def test_thousands_of_names_in_one_circle() -> None:
    count = 20_000
    readers = {str(i): [str((i + 1) % count)] for i in range(count)}
    (circle,) = find_circles(readers)
    assert circle == tuple(readers)


NAMES = "abcdefg"
GRAPHS = st.dictionaries(
    st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=4, unique=True)
)


@given(GRAPHS)
def test_what_is_found_is_a_circle_and_what_is_left_has_none(readers: dict[str, list[str]]) -> None:
    circles = find_circles(readers)
    names = [name for circle in circles for name in circle]
    assert len(names) == len(set(names))
    for circle in circles:
        for name, reader in zip(circle, (*circle[1:], circle[0]), strict=True):
            assert reader in readers[name]
    rest = {name: set(readers[name]) & readers.keys() - set(names) for name in readers}
    for name in names:
        del rest[name]
    while rest:
        ends = [name for name, of_name in rest.items() if not of_name & rest.keys()]
        assert ends, f"a circle is left among {rest}"
        for name in ends:
            del rest[name]
