"""Whether two types may be of one tensor, and what is known of it then.

What is not known fits everything: a datatype of None, a shape of None, a length without a number.
"""

from __future__ import annotations

from penstock.core.signature import Dimension, TensorSpec


def fits(one: TensorSpec, other: TensorSpec) -> bool:
    """Whether datatypes, ranks and fixed lengths agree, where both are known."""
    if one.datatype != other.datatype and None not in (one.datatype, other.datatype):
        return False
    if one.shape is None or other.shape is None:
        return True
    return len(one.shape) == len(other.shape) and all(map(may_be_equal, one.shape, other.shape))


def may_be_equal(one: Dimension, other: Dimension) -> bool:
    """Whether two lengths can be one: only two numbers can deny it."""
    return not (isinstance(one, int) and isinstance(other, int)) or one == other


def common(one: TensorSpec, other: TensorSpec) -> TensorSpec:
    """What is known of a tensor that two steps read: what one says, unless the other denies it.

    It has the name of the first, and is optional when it is so to both.
    """
    datatype = one.datatype or other.datatype
    if None not in (one.datatype, other.datatype) and one.datatype != other.datatype:
        datatype = None
    optional = one.optional and other.optional
    return TensorSpec(one.name, datatype, _common_shape(one, other), optional)


def _common_shape(one: TensorSpec, other: TensorSpec) -> tuple[Dimension, ...] | None:
    if one.shape is None or other.shape is None:
        return other.shape if one.shape is None else one.shape
    if len(one.shape) != len(other.shape):
        return None
    return tuple(map(_common_length, one.shape, other.shape))


def _common_length(one: Dimension, other: Dimension) -> Dimension:
    if one == other or other is None:
        return one
    if one is None:
        return other
    numbers = [length for length in (one, other) if isinstance(length, int)]
    return numbers[0] if len(numbers) == 1 else None
