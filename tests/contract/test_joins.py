"""The laws of joins, over the built-in strategies."""

from __future__ import annotations

from contract.joins import JoinLaws
from penstock.joins.any import AnyJoin
from penstock.joins.first import FirstJoin
from penstock.joins.inner import InnerJoin
from penstock.joins.outer import OuterJoin
from penstock.joins.quorum import QuorumJoin


class TestInner(JoinLaws):
    make = InnerJoin


class TestOuter(JoinLaws):
    make = OuterJoin


class TestAny(JoinLaws):
    make = AnyJoin


class TestQuorum(JoinLaws):
    make = staticmethod(lambda: QuorumJoin(1, within_ms=2))


class TestFirst(JoinLaws):
    make = staticmethod(lambda: FirstJoin(1, within_ms=2))
