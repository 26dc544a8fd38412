"""How a resource stands: its revision, its version and its conditions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from penstock.core.resources.value import Text, Value

ConditionStatus: TypeAlias = Literal["True", "False", "Unknown"]

READY: Final = "Ready"
"""The type of the condition that every resource has: whether it serves."""

WITHOUT_EFFECT: Final = "FieldsWithoutEffect"
"""The type of the condition that tells of fields that were accepted and do nothing."""

SETTLED: Final = "Settled"
"""The type of the condition that all requests of an experiment go to one arm, by what a guard or an
operator has decided."""


class Condition(Value):
    """One thing that is known about a resource.

    ``type`` says of what, ``status`` whether it holds, ``reason`` is one word for programs,
    ``message`` a sentence for people. ``since`` is when ``status`` last changed, in UTC.
    """

    type: Text
    status: ConditionStatus
    reason: Text
    message: str
    since: datetime


class Status(Value):
    """``revision`` grows with every change of any resource; ``version`` with those of its spec."""

    revision: int
    version: int
    conditions: tuple[Condition, ...] = ()

    def condition(self, type: str) -> Condition | None:
        """The condition of that type, if there is one."""
        return next((known for known in self.conditions if known.type == type), None)

    @property
    def ready(self) -> bool:
        """Whether the condition ``Ready`` holds."""
        condition = self.condition(READY)
        return condition is not None and condition.status == "True"

    def with_condition(
        self, type: str, status: ConditionStatus, reason: str, message: str, *, now_ms: float
    ) -> Status:
        """The status with this condition in the place of the one of its type.

        ``now_ms`` (milliseconds since the epoch) becomes its ``since`` unless the old one had the
        same status. The same object comes back when nothing changes.
        """
        old = self.condition(type)
        if old is not None and old.status == status:
            if (old.reason, old.message) == (reason, message):
                return self
            since = old.since
        else:
            since = datetime.fromtimestamp(now_ms / 1000, UTC)
        new = Condition(type=type, status=status, reason=reason, message=message, since=since)
        if old is None:
            conditions = (*self.conditions, new)
        else:
            conditions = tuple(new if known is old else known for known in self.conditions)
        return self.model_copy(update={"conditions": conditions})

    def without_condition(self, type: str) -> Status:
        """The status without the condition of that type."""
        conditions = tuple(known for known in self.conditions if known.type != type)
        if len(conditions) == len(self.conditions):
            return self
        return self.model_copy(update={"conditions": conditions})
