"""What a gateway keeps of what it has, by what a scheduler says."""

from __future__ import annotations

from penstock.core.routing.route import Gone, NotReady, Route, RouteKey, ServedModel, Update
from penstock.core.routing.table import RouteTable, Switch

KEY = RouteKey("model", "m")
OTHER = RouteKey("model", "o")


def serves(revision: int, version: int = 1, key: RouteKey = KEY) -> Route:
    return Route(key, revision, ServedModel(version, None))


def lacks(revision: int, key: RouteKey = KEY) -> Route:
    return Route(key, revision, NotReady(1, "it is being loaded"))


def take(
    table: RouteTable, *routes: Route | Gone, whole: bool = False, **more: object
) -> list[str]:
    """What is switched, in words."""
    epoch = str(more.get("epoch", "first"))
    update = Update(epoch, 9, routes, whole=whole, settled=bool(more.get("settled")))
    return [told(switch) for switch in table.take(update)]


def told(switch: Switch) -> str:
    sides = []
    for shown in (switch.before, switch.after):
        body = None if shown is None else shown.route.body
        sides.append(str(body.version) if isinstance(body, ServedModel) else "-" if body else "")
    return f"{switch.key.name}: {sides[0]}>{sides[1]}"


def test_what_is_told_is_in_force() -> None:
    table = RouteTable()
    assert take(table, serves(1), lacks(2, OTHER), whole=True) == ["m: >1", "o: >-"]
    assert take(table, serves(3, 2)) == ["m: 1>2"]
    assert take(table, lacks(4)) == ["m: 2>-"]
    assert take(table, Gone(KEY, 5)) == ["m: ->"]
    assert take(table, Gone(KEY, 6)) == []
    assert [route.key for route in table.routes()] == [OTHER]


def test_what_is_the_same_is_not_switched() -> None:
    table = RouteTable()
    take(table, serves(1), whole=True)
    assert take(table, serves(7), whole=True, epoch="second") == []
    assert table.routes() == [serves(7)]


def test_a_scheduler_that_is_not_settled_takes_nothing_away_that_works() -> None:
    table = RouteTable()
    take(table, serves(1), serves(2, key=OTHER), whole=True)
    assert take(table, lacks(1), whole=True, epoch="second") == []
    assert take(table, lacks(2), epoch="second") == []
    assert take(table, epoch="second", settled=True) == ["m: 1>-", "o: 1>"]


def test_what_it_has_had_itself_it_may_take_away() -> None:
    table = RouteTable()
    take(table, serves(1), serves(2, key=OTHER), whole=True)
    assert take(table, lacks(1), serves(2, key=OTHER), whole=True, epoch="second") == []
    assert take(table, lacks(3, OTHER), epoch="second") == ["o: 1>-"]
    assert take(table, serves(4, 2), epoch="second") == ["m: 1>2"]
    assert take(table, lacks(5), epoch="second") == ["m: 2>-"]


def test_what_it_says_is_gone_is_gone() -> None:
    table = RouteTable()
    take(table, serves(1), whole=True)
    take(table, lacks(1), whole=True, epoch="second")
    assert take(table, Gone(KEY, 2), epoch="second") == ["m: 1>"]


def test_the_same_process_after_a_break_is_believed() -> None:
    table = RouteTable()
    take(table, serves(1), whole=True)
    assert take(table, whole=True) == ["m: 1>"]


def test_a_reason_of_an_earlier_life_gives_way() -> None:
    table = RouteTable()
    take(table, lacks(1), whole=True)
    other = Route(KEY, 1, NotReady(1, "there is no server for it"))
    assert take(table, other, whole=True, epoch="second") == ["m: ->-"]
    assert take(table, serves(2), epoch="second") == ["m: ->1"]
