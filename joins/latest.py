"""``latest``: the driving source, with the latest value there is of each other one."""

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
    SourceView,
    Wait,
)
from penstock.core.plugins import hookimpl
from penstock.joins.arguments import (
    count_of,
    duration_ms,
    index_of_driver,
    one_of,
    scope_of,
)

penstock_api = 1


class LatestJoin(JoinStrategy):
    """Runs for each value of the driving source, with the latest value of each other source.

    Latest is the request's own value of that source; where it has none, the one that was kept of
    the newest request of the key (or of all requests, with ``by="stream"``) which brought one.

    - It waits for the request's own sources to end: a value of its own comes before a kept one.
    - Where a source has neither, the step is skipped, or with ``missing="run"`` runs without it.
    - ``within_ms`` is a time to wait, from the first source or trigger that ended: in it the
      request's own sources may end, and a value may come that is missing, by whatever request of
      the key. At its end, or at that of the window, what is there counts.
    - It is skipped as soon as the driving source is absent; what the others bring is kept anyhow.
    - A failure of the driving source is one of the step. Another source that failed brings
      nothing; where that leaves no run, the step fails.

    ``driver`` is the driving source, as it is written in the manifest; the first one by default.
    ``max_age_ms`` is how long a value counts, a day by default; ``max_keys`` how many keys are kept
    (those go that changed longest ago).
    """

    def __init__(
        self,
        missing: str = "skip",
        max_age_ms: float = 86_400_000.0,
        within_ms: float | None = None,
        driver: str | None = None,
        by: str = "key",
        max_keys: int = 10_000,
    ) -> None:
        self._runs_without = one_of("missing", missing, ("skip", "run")) == "run"
        self._within_ms = duration_ms("withinMs", within_ms)
        self._driver = driver
        self.scope = scope_of(by)
        self.keep = Keep(
            max_age_ms=duration_ms("maxAgeMs", max_age_ms) or Keep().max_age_ms,
            max_keys=count_of("maxKeys", max_keys),
        )

    def check(self, sources: tuple[str, ...]) -> None:
        self.driver(sources)

    def driver(self, sources: tuple[str, ...]) -> int:
        return index_of_driver("latest", self._driver, sources)

    def decide(self, view: JoinView) -> Decision:
        drives = self.driver(tuple(source.reference for source in view.sources))
        driving = view.sources[drives]
        if driving.state is SourceState.OPEN:
            if not view.window_ended:
                return Wait()
            said = f"{driving.reference}, which drives the join, did not come in time"
            return Skip(said, cause="join-expired")
        if driving.state is not SourceState.VALUE:
            said = f"{driving.reference}, which drives the join, "
            said += "failed" if driving.state is SourceState.FAILED else "is absent"
            return Skip(said, because=(drives,))
        ends_ms = None if self._within_ms is None else view.opened_ms + self._within_ms
        time_is_over = view.window_ended or (ends_ms is not None and view.now_ms >= ends_ms)
        missing = [i for i, source in enumerate(view.sources) if not _has_value(source)]
        waits = bool(view.having(SourceState.OPEN)) or (
            bool(missing) and (ends_ms is not None or view.window_end_ms is not None)
        )
        if waits and not time_is_over:
            return Wait(ends_ms)
        if missing and not self._runs_without:
            names = ", ".join(view.sources[i].reference for i in missing)
            return Skip(f"no value of {names} is there", cause="no-state")
        return _run(view)


def _has_value(source: SourceView) -> bool:
    return source.state is SourceState.VALUE or bool(source.kept)


def _run(view: JoinView) -> Run:
    there = tuple(i for i, source in enumerate(view.sources) if _has_value(source))
    kept = tuple(
        (i, len(view.sources[i].kept) - 1)
        for i in there
        if view.sources[i].state is not SourceState.VALUE
    )
    return Run(there, kept)


@hookimpl
def penstock_register_joins() -> Mapping[str, type[JoinStrategy]]:
    """Register ``latest``."""
    return {"latest": LatestJoin}
