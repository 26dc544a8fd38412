"""What does not fit along the edges of a pipeline, in sentences that show both ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from penstock.core.manifests.findings import Finding
from penstock.core.nearest import did_you_mean
from penstock.core.port_types.arrivals import Arrival, Arrivals
from penstock.core.port_types.demands import Demand, Demands
from penstock.core.port_types.fit import fits
from penstock.core.port_types.flow import Flow
from penstock.core.port_types.lengths import Disagreement, Edge, edges_of
from penstock.core.port_types.reading import Reader, Reference

MAX_LISTED = 6
"""How many tensors a sentence lists."""


def findings_of_request(demands: Demands) -> Iterator[Finding]:
    """Tensors of the pipeline's input that two steps want in different ways."""
    readers: dict[str, list[Demand]] = {}
    for demand in demands.all:
        others = readers.setdefault(demand.spec.name, [])
        for other in others:
            if not fits(demand.spec, other.spec):
                yield _two_readers(demand, other)
                break
        others.append(demand)


def findings_of_flow(readers: Sequence[Reader], flow: Flow) -> Iterator[Finding]:
    """Everything that is wrong with what comes into the steps, and into the output."""
    for reader in readers:
        arrivals = flow.into(reader)
        references = (*reader.inputs, *reader.triggers)
        lost = [found for each in references for found in _not_there(reader, each, flow)]
        yield from lost
        if not reader.is_output:
            yield from _clashes(reader, arrivals)
        # A tensor that is read by a wrong name is missing under the right one as well.
        if not lost:
            yield from _missing(reader, arrivals)
        for edge in edges_of(reader, arrivals):
            yield from _misfit(reader, edge)
        for disagreement in flow.lengths[reader.step].disagreements:
            yield _disagreement(reader, disagreement)


def _two_readers(demand: Demand, other: Demand) -> Finding:
    return Finding(
        demand.path,
        f"{demand.reader.title} wants '{demand.spec.name}' of the pipeline's input as "
        f"{demand.spec.type_text}, but {other.reader.title} wants it as {other.spec.type_text}",
    )


def _not_there(reader: Reader, reference: Reference, flow: Flow) -> Iterator[Finding]:
    """Tensors that a reference or a rename names, and its port does not hold."""
    source = reference.source
    port = flow.port(source, reference)
    if source.kind == "input" or port.openings:
        return
    names = {arrival.spec.name for arrival in port.tensors}
    verb = "is given" if source.side == "inputs" else "puts out"
    there = f"step '{source.step}' {verb} {_listed(port.tensors)}"
    if source.kind == "external":
        there = f"'{source.port_text}' holds {_listed(port.tensors)}"
    if source.tensor is not None:
        if source.tensor not in names:
            said = f"{reader.title} reads '{source}', but {there}"
            yield Finding(reference.path, said, did_you_mean(source.tensor, names))
        return
    for old, new in reference.renames.items():
        if old not in names:
            key = f"{source.port_text}.{old}"
            said = f"{reader.title} takes '{key}' as '{new}', but {there}"
            path = (*reader.path, "tensorMap", key)
            yield Finding(path, said, did_you_mean(old, names), of_key=True)


def _clashes(reader: Reader, arrivals: Arrivals) -> Iterator[Finding]:
    """Names that certainly come in twice; those that may be missing may never meet."""
    first: dict[str, Arrival] = {}
    for arrival in arrivals.tensors:
        if arrival.spec.optional:
            continue
        other = first.setdefault(arrival.spec.name, arrival)
        if other is not arrival:
            yield Finding(
                arrival.path,
                f"'{other.reference}' and '{arrival.reference}' both bring a tensor named "
                f"'{arrival.spec.name}' into {reader.title}",
                "rename one of them with tensorMap",
            )


def _missing(reader: Reader, arrivals: Arrivals) -> Iterator[Finding]:
    """Tensors that a step cannot do without and nothing can bring."""
    for wanted in reader.signature.inputs or ():
        name = wanted.name
        if wanted.optional or arrivals.named(name):
            continue
        if not arrivals.openings_for(name):
            brought = [arrival.spec.name for arrival in arrivals.tensors]
            yield Finding(
                reader.list_path,
                f"{reader.title} wants '{name}' as {wanted.type_text}, but its sources bring "
                f"{_listed(arrivals.tensors)}",
                did_you_mean(name, brought) or "rename one with tensorMap, or add a source",
            )


def _misfit(reader: Reader, edge: Edge) -> Iterator[Finding]:
    """A tensor that is not as it is wanted; for the pipeline's input, two readers say it."""
    arrival = edge.arrival
    if arrival.requested is None and not fits(edge.wanted, arrival.spec):
        yield Finding(arrival.path, _both_ends(reader, (edge,)))


def _disagreement(reader: Reader, found: Disagreement) -> Finding:
    edges = (found.first,) if found.first == found.second else (found.first, found.second)
    return Finding(
        found.second.arrival.path,
        f"{_both_ends(reader, edges)}: '{found.name}' cannot be both {found.length} and "
        f"{found.other_length}",
    )


def _both_ends(reader: Reader, edges: Sequence[Edge]) -> str:
    wanted = (f"'{each.wanted.name}' as {each.wanted.type_text}" for each in edges)
    given = (f"'{each.arrival.reference}' is {each.arrival.spec.type_text}" for each in edges)
    return f"{reader.title} wants {' and '.join(wanted)}, but {' and '.join(given)}"


def _listed(tensors: Sequence[Arrival]) -> str:
    listed = [f"'{each.spec.name}' ({each.spec.type_text})" for each in tensors[:MAX_LISTED]]
    more = f" and {len(tensors) - MAX_LISTED} more" if len(tensors) > MAX_LISTED else ""
    return f"{', '.join(listed) or 'nothing'}{more}"
