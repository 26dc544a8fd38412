"""What a reference of a manifest points at, and what it finds in a record."""

from typing import NamedTuple

from oracle.model import Ended, Graph


class Reference(NamedTuple):
    """A port as it is named in `Result.ports`, and one tensor of it, or all (None)."""

    port: str
    tensor: str | None

    def found_in(self, record: Ended) -> Ended:
        """How this reference ends by the record of its port."""
        if record.kind != "value" or self.tensor is None:
            return record
        for tensor in record.tensors:
            if tensor.name == self.tensor:
                return record._replace(tensors=(tensor,))
        return Ended(record.time_ms, "absent")


def resolve(graph: Graph, written: str) -> Reference:
    """Read a reference; raise ValueError if it names nothing of this graph."""
    owner, _, rest = written.partition(".")
    if owner == graph.name:
        side, _, tensor = (rest or "inputs").partition(".")
        sides, port = {"inputs"}, side
    elif owner in {step.name for step in graph.steps}:
        side, _, tensor = (rest or "outputs").partition(".")
        sides, port = {"inputs", "outputs"}, f"{owner}.{side}"
    else:
        raise ValueError(f"{written!r} names no step of {graph.name}.")
    if side not in sides:
        raise ValueError(f"{written!r} names no port of {owner}.")
    return Reference(port, tensor or None)
