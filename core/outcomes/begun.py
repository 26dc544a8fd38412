"""What comes of a passage that other pipelines begin, whatever they bring."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, product
from math import prod

from penstock.core.outcomes.brought import Brought, Offers, read_of
from penstock.core.outcomes.dials import Dial, Setting
from penstock.core.outcomes.endings import Ending
from penstock.core.outcomes.player import MOST_PACES, Player, waited
from penstock.core.outcomes.ports import PortEnds
from penstock.core.outcomes.result import Result, each_once
from penstock.core.outcomes.rows import Row, rows_of
from penstock.core.plan import Entrance, ExternalPort, Plan
from penstock.core.resources import Pipeline
from penstock.core.simulation import Outcome


@dataclass(frozen=True, slots=True)
class BegunOutcomes:
    """``brought`` are the rows by what the ports bring that are read, of which ``cases`` were
    played, and ``certain`` says that these are all. ``unheard`` are the rows in which some of the
    pipelines never hear of the request; ``waits`` says that in one of these the clock ends the join
    of the input, ``alone`` that no request comes to all of them."""

    brought: tuple[Row[Result], ...] = ()
    unheard: tuple[Row[Result], ...] = ()
    cases: int = 0
    certain: bool = True
    waits: bool = False
    alone: bool = False


class BegunPlays:
    """All that is played of one pipeline that reads others. Its own steps do as they usually do:
    what else they may do ends as where it is called.

    ``ends`` says of each of those pipelines how its ports can end, ``heard`` which of them hear of
    one request. ``see`` is shown each request that is played.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        plan: Plan,
        player: Player,
        ends: Mapping[str, Sequence[PortEnds]],
        heard: Sequence[frozenset[str]],
        see: Callable[[Outcome], None],
    ) -> None:
        assert plan.entrance is not None, "it reads other pipelines"
        self._player = player
        self._heard = heard
        self._see = see
        read = read_of(pipeline)
        self._offers = {name: Offers(name, ends[name], read) for name in plan.sources}
        self._records = {
            offer.port: offer for offers in self._offers.values() for offer in offers.records()
        }
        self._orders = _orders(list(plan.external), plan.entrance)
        self._waits = False

    def outcomes(self, most: int) -> BegunOutcomes:
        """What comes of all of that, where at most so many cases are played."""
        everybody = frozenset(self._offers)
        ways = [offers.brought for offers in self._offers.values()]
        together = product(*ways)
        played = [self._play(everybody, _joined(each)) for each in islice(together, most)]
        usual = _joined([each[0] for each in ways])
        self._waits = False
        unheard = [
            Row(
                {Dial("unheard", name): True for name in self._offers if name not in heard},
                self._play(heard, usual)[1],
            )
            for heard in self._heard
            if heard != everybody
        ]
        return BegunOutcomes(
            tuple(rows_of([(setting, result.told(setting)) for setting, result in played])),
            tuple(unheard),
            len(played),
            certain=prod(map(len, ways)) <= most,
            waits=self._waits,
            alone=everybody not in self._heard,
        )

    @property
    def plays(self) -> int:
        """How often each case is played."""
        return len(self._orders)

    def _play(self, heard: Collection[str], brought: Brought) -> tuple[Setting, Result]:
        """What comes of it where the ports end so, and which dials that came to."""
        setting: Setting = {}
        endings = [self._ending(order, heard, brought, setting) for order in self._orders]
        return setting, Result(each_once(endings))

    def _ending(
        self,
        order: Sequence[ExternalPort],
        heard: Collection[str],
        brought: Brought,
        setting: Setting,
    ) -> Ending:
        records = [
            (port, partial(self._records[port].body, brought[port], setting.__setitem__))
            for port in order
            if port.pipeline in heard
        ]
        ending, outcome = self._player.play_begun(records)
        self._waits |= waited(outcome, len(records))
        self._see(outcome)
        return ending


def _joined(each: Sequence[Brought]) -> Brought:
    return {port: end for brought in each for port, end in brought.items()}


def _orders(ports: list[ExternalPort], entrance: Entrance) -> list[list[ExternalPort]]:
    """In which orders records come: where that matters, each port is once the first, and once the
    last."""
    joins = [join for join in (entrance.inputs, entrance.triggers) if join is not None]
    if all(join.strategy.order_free for join in joins):
        return [ports]
    first = [[port, *(other for other in ports if other != port)] for port in ports]
    last = [[*(other for other in ports if other != port), port] for port in ports]
    return [list(each) for each in dict.fromkeys(map(tuple, (*first, *last)))][:MOST_PACES]
