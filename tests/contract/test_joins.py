"""The laws of joins, over the built-in strategies."""

from __future__ import annotations

from contract.joins import JoinLaws
from penstock.joins.any import AnyJoin
from penstock.joins.inner import InnerJoin
from penstock.joins.outer import OuterJoin


class TestInner(JoinLaws):
    make = InnerJoin


class TestOuter(JoinLaws):
    make = OuterJoin


class TestAny(JoinLaws):
    make = AnyJoin
