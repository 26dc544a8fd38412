"""Pipelines that read others: hands each record on to those that read its port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from penstock.core.crossing import crossed
from penstock.core.dataflow import Dataflow, Deployment, Passenger
from penstock.core.engine import Effects, Emit
from penstock.core.journal import Journal
from penstock.core.pipeline_gateway.external import ExternalSubmission
from penstock.core.pipeline_gateway.followed import FollowedExternalSubmission, SubmittedCourse
from penstock.core.pipeline_gateway.matching import Arrival, ByIdentity, ByKey, Matching
from penstock.core.pipeline_gateway.tapped import (
    TappedExternalSubmission,
    TappedFollowedExternalSubmission,
)
from penstock.core.plan import ExternalPort

if TYPE_CHECKING:
    from penstock.core.pipeline_gateway.admission import Admission
    from penstock.core.pipeline_gateway.target import ServedTarget

DEDUP_REQUESTS: Final = 100_000
"""How many ended requests each reader remembers, so that none of them begins twice."""


class Reader:
    """One pipeline that reads others, over all its versions.

    ``target`` is the version that takes new identities, None while none serves; those before it
    finish what they began. ``open`` counts by version the passages under way. ``indexed`` are the
    ports under which it is found.
    """

    __slots__ = ("by_key", "indexed", "matching", "open", "target")

    def __init__(self, *, by_key: bool, remembered: int) -> None:
        self.by_key = by_key
        self.matching: Matching[ExternalSubmission]
        self.matching = ByKey(remembered) if by_key else ByIdentity(remembered)
        self.target: ServedTarget | None = None
        self.open: dict[Deployment, int] = {}
        self.indexed: set[ExternalPort] = set()

    def ports(self) -> set[ExternalPort]:
        """Those that the version reads which serves, and those that still have passages."""
        deployments = set(self.open)
        if self.target is not None and self.target.deployment is not None:
            deployments.add(self.target.deployment)
        return {port for deployment in deployments for port in deployment.plan.external}


class Readers:
    """Knows which pipelines read which ports. Called with what others emit; keeps no queue."""

    __slots__ = ("_admission", "_by_name", "_by_port", "_dataflow", "_journal", "_remembered")

    def __init__(
        self, admission: Admission, dataflow: Dataflow, journal: Journal, remembered: int
    ) -> None:
        self._admission = admission
        self._dataflow = dataflow
        self._journal = journal
        self._remembered = remembered
        self._by_name: dict[str, Reader] = {}
        self._by_port: dict[ExternalPort, dict[str, Reader]] = {}

    def serve(self, target: ServedTarget) -> None:
        """This version of a pipeline serves from now on, whether it reads others or not."""
        deployment = target.deployment
        assert deployment is not None, "it serves"
        entrance = deployment.plan.entrance
        if entrance is None:
            self.leave(target.name)
            return
        reader = self._by_name.get(target.name)
        if reader is None or reader.by_key != entrance.by_key:
            # What was matched otherwise is brought nothing more, and ends with its window.
            reader = self._replace(target.name, by_key=entrance.by_key)
        reader.target = target
        self._index(target.name, reader)

    def leave(self, name: str) -> None:
        """No version of the pipeline takes new identities; those that did finish."""
        reader = self._by_name.get(name)
        if reader is not None:
            reader.target = None
            self._index(name, reader)

    def hand_on(self, record: Emit, now_ms: float, out: Effects) -> None:
        """A port that is read has ended. What its readers do is added to ``out``."""
        origin = record.passage
        port = ExternalPort(origin.plan.name, record.port)
        readers = self._by_port.get(port)
        if readers:
            body = crossed(record.body, port.pipeline)
            arrival = Arrival(origin.identity, origin.key or origin.identity.encode(), port)
            for reader in readers.values():
                submission = self._submission(reader, arrival, record, now_ms, out)
                if submission is not None:
                    submission.bring(self._dataflow, record, port, body, now_ms, out)

    def ended(self, submission: ExternalSubmission) -> None:
        """Nothing of a passage is under way any more."""
        reader, deployment = submission.reader, submission.deployment
        reader.matching.end(submission.place)
        reader.open[deployment] -= 1
        if not reader.open[deployment]:
            del reader.open[deployment]
            if reader is self._by_name.get(deployment.plan.name):
                self._index(deployment.plan.name, reader)

    def _submission(
        self, reader: Reader, arrival: Arrival, record: Emit, now_ms: float, out: Effects
    ) -> ExternalSubmission | None:
        """Whom a record is brought to: it may begin a passage. None if it changes nothing."""
        place = reader.matching.find(arrival)
        if place is not None:
            return place.passage
        target = reader.target
        deployment = None if target is None else target.deployment
        if target is None or deployment is None or arrival.port not in deployment.plan.external:
            return None
        submission = self._begun(reader, target, deployment, record, now_ms)
        submission.place = reader.matching.begin(arrival, submission, deployment.plan.external)
        reader.open[deployment] = reader.open.get(deployment, 0) + 1
        submission.gather(self._dataflow, out)
        return submission

    def _begun(
        self,
        reader: Reader,
        target: ServedTarget,
        deployment: Deployment,
        record: Emit,
        now_ms: float,
    ) -> ExternalSubmission:
        """A request that a record of another pipeline begins; followed if that one's is."""
        origin = cast(Passenger, record.passage.context)
        headers = origin.headers_of(record)
        watch = None
        if type(origin) is SubmittedCourse:
            begun_by = ExternalPort(record.passage.plan.name, record.port)
            watch = self._admission.watch(
                deployment, record.passage.identity, headers, now_ms, begun_by=str(begun_by)
            )
        kind: type[ExternalSubmission]
        if watch is None:
            kind = TappedExternalSubmission if deployment.taps else ExternalSubmission
        elif deployment.taps:
            kind = TappedFollowedExternalSubmission
        else:
            kind = FollowedExternalSubmission
        submission = kind(
            reader,
            self._admission,
            self._journal,
            target,
            deployment,
            record,
            headers,
            self._admission.async_limit_ms(deployment.plan),
            now_ms,
        )
        if watch is not None and isinstance(submission, FollowedExternalSubmission):
            SubmittedCourse(submission, watch)
        return submission

    def _replace(self, name: str, *, by_key: bool) -> Reader:
        self.leave(name)
        before = self._by_name.pop(name, None)
        for port in () if before is None else before.indexed:
            self._drop(port, name)
        reader = self._by_name[name] = Reader(by_key=by_key, remembered=self._remembered)
        return reader

    def _index(self, name: str, reader: Reader) -> None:
        """Have a reader found under the ports that it reads now, and under no others."""
        ports = reader.ports()
        for port in reader.indexed - ports:
            self._drop(port, name)
        for port in ports:
            self._by_port.setdefault(port, {})[name] = reader
        reader.indexed = ports
        if reader.target is None and not reader.open:
            del self._by_name[name]

    def _drop(self, port: ExternalPort, name: str) -> None:
        readers = self._by_port[port]
        del readers[name]
        if not readers:
            del self._by_port[port]
