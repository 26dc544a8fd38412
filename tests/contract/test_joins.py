"""The laws of joins, over the built-in strategies."""

from __future__ import annotations

from penstock.joins.any import AnyJoin
from penstock.joins.first import FirstJoin
from penstock.joins.inner import InnerJoin
from penstock.joins.latest import LatestJoin
from penstock.joins.outer import OuterJoin
from penstock.joins.quorum import QuorumJoin
from penstock.joins.zip import ZipJoin
from penstock.testing import JoinLaws


class TestInner(JoinLaws):
    join = InnerJoin()


class TestOuter(JoinLaws):
    join = OuterJoin()


class TestAny(JoinLaws):
    join = AnyJoin()


class TestQuorum(JoinLaws):
    join = QuorumJoin(2)


class TestQuorumOfAll(JoinLaws):
    join = QuorumJoin(3)
    sources = (3,)


class TestQuorumWithin(JoinLaws):
    join = QuorumJoin(2, within_ms=20)


class TestFirst(JoinLaws):
    join = FirstJoin()


class TestFirstTwo(JoinLaws):
    join = FirstJoin(2)


class TestFirstWithin(JoinLaws):
    join = FirstJoin(2, within_ms=20)


class TestLatest(JoinLaws):
    join = LatestJoin()


class TestLatestOrWithout(JoinLaws):
    join = LatestJoin(missing="run", within_ms=20)


class TestZip(JoinLaws):
    join = ZipJoin()
