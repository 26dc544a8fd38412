"""``zip``: the n-th value of one source with the n-th of each other, per key."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.join import (
    Decision,
    JoinStrategy,
    JoinView,
    Keep,
    Run,
    Skip,
    SourceState,
    Wait,
)
from penstock.core.plugins import hookimpl
from penstock.joins.arguments import count_of, duration_ms, index_of_driver, scope_of

penstock_api = 1


class ZipJoin(JoinStrategy):
    """Runs for the n-th value of the driving source, with the n-th of each other source.

    The values of each source are counted under one key (or over all requests, with
    ``by="stream"``), in the order of their requests; requests in which a source is absent or failed
    do not count there. So a value waits for all earlier requests of its key to end at its source.

    - A visit belongs to the request that brings the driving value, and waits for its partners.
      Those that came before are kept until then.
    - A pair keeps together whatever happens: when a visit ends before its partners are there (by
      its window, or the request's deadline), these are thrown away when they come, and the next
      visit gets the next ones.
    - At most ``most`` values of a source wait under one key. At the bound, or when it is older than
      ``max_age_ms``, the oldest goes; the visit that it was for is skipped (``partner-lost``).
    - A visit is skipped when the driving source is absent in its request; what the others bring
      counts anyhow.
    """

    def __init__(
        self,
        most: int = 1000,
        max_age_ms: float = 86_400_000.0,
        driver: str | None = None,
        by: str = "key",
        max_keys: int = 10_000,
    ) -> None:
        self._driver = driver
        self.scope = scope_of(by)
        self.keep = Keep(
            most=count_of("most", most),
            max_age_ms=duration_ms("maxAgeMs", max_age_ms) or Keep().max_age_ms,
            max_keys=count_of("maxKeys", max_keys),
            numbered=True,
        )

    def check(self, sources: tuple[str, ...]) -> None:
        self.driver(sources)

    def driver(self, sources: tuple[str, ...]) -> int:
        return index_of_driver("zip", self._driver, sources)

    def decide(self, view: JoinView) -> Decision:
        drives = self.driver(tuple(source.reference for source in view.sources))
        driving = view.sources[drives]
        if driving.state in (SourceState.ABSENT, SourceState.FAILED):
            said = "failed" if driving.state is SourceState.FAILED else "is absent"
            return Skip(f"{driving.reference}, which drives the join, {said}", (drives,))
        waits = False
        partners: dict[int, int] = {}
        for i, source in enumerate(view.sources):
            if i == drives:
                continue
            numbers = [kept.number for kept in source.kept]
            if driving.number in numbers:
                partners[i] = numbers.index(driving.number)
            elif driving.number is not None and driving.number < source.counted:
                said = f"the value of {source.reference} that belongs to this one is gone"
                return Skip(said, cause="partner-lost")
            else:
                waits = True
        if not waits:
            return Run(tuple(range(len(view.sources))), tuple(partners.items()))
        if not view.window_ended:
            return Wait()
        return Skip("its partners had not come when the window ended", None, "join-expired")


@hookimpl
def penstock_register_joins() -> Mapping[str, type[JoinStrategy]]:
    """Register ``zip``."""
    return {"zip": ZipJoin}
