"""Vectors of float32 numbers in loops that Numba compiles, in any width that LLVM can divide.

A compiler left alone takes the widest vectors there are. Where tokens are read twice, from memory
and then from the cache, other widths are a third faster, and the order of sums is then the same on
every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba.extending
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import models, register_model

from tokenspace_kernels.machine_code import OPTIONS

intrinsic: Any = numba.extending.intrinsic  # without the typing argument, which mypy would ask for
HAS_FLOAT16 = binding.get_host_cpu_features().get("f16c", False)  # the instruction
FLAGS = tuple(OPTIONS["fastmath"])
LINE = 64  # bytes that processors move at once


class Vector(types.Type):
    """The type of `width` float32 numbers."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(f"Vector({width})")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """A vector of LLVM."""

    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, ir.VectorType(ir.FloatType(), kind.width))


def _alike(value: Any, element: Any) -> Any:
    """The type of as many elements as a value has, one or a vector."""
    many = isinstance(value.type, ir.VectorType)
    return ir.VectorType(element, value.type.count) if many else element


def _float32(builder: Any, x: Any, kind: Any) -> Any:
    """Numbers of a format as float32; those of 16 bits travel as integers, see `given_tokens`."""
    if kind == types.float32:
        return x
    single, word = _alike(x, ir.FloatType()), _alike(x, ir.IntType(32))

    def constant(value: Any, of: Any = word) -> Any:
        return ir.Constant(of, [value] * of.count if isinstance(of, ir.VectorType) else value)

    if kind == types.uint16:  # bfloat16
        return builder.bitcast(builder.shl(builder.zext(x, word), constant(16)), single)
    if HAS_FLOAT16:
        return builder.fpext(builder.bitcast(x, _alike(x, ir.HalfType())), single)
    # exponent and mantissa are moved into place, then the bias of the exponent is made good
    half = builder.zext(x, word)
    infinite = builder.icmp_unsigned("==", builder.and_(half, constant(0x7C00)), constant(0x7C00))
    special = builder.select(infinite, constant(0x7F800000), constant(0))
    sign = builder.shl(builder.and_(half, constant(0x8000)), constant(16))
    rest = builder.shl(builder.and_(half, constant(0x7FFF)), constant(13))
    bits = builder.or_(builder.or_(sign, rest), special)
    return builder.fmul(builder.bitcast(bits, single), constant(2.0**112, single))


@intrinsic
def as_float32(typing: Any, x: Any) -> Any:
    """One number as float32."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _float32(builder, arguments[0], x)

    return types.float32(x), code


def _pointer(context: Any, builder: Any, kind: Any, place: Any, element: Any) -> Any:
    """To where a vector begins: place is an array (rows, columns) without gaps, row and column."""
    array, row, column = place
    h = context.make_array(kind)(context, builder, array)
    columns = cgutils.unpack_tuple(builder, h.shape)[1]
    start = builder.gep(h.data, [builder.add(builder.mul(row, columns), column)])
    return builder.bitcast(start, element.as_pointer())


def loader(width: int, any_order: bool = False) -> Any:
    """A function (array, row, column) that reads a vector.

    any_order: of bfloat16 numbers those of even places come before the others, which takes half
    the operations.
    """

    @intrinsic
    def load(typing: Any, h: Any, row: Any, column: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pairs = any_order and h.dtype == types.uint16
            element = ir.IntType(32) if pairs else context.get_data_type(h.dtype)
            vector = ir.VectorType(element, width // 2 if pairs else width)
            pointer = _pointer(context, builder, h, arguments, vector)
            read = builder.load(pointer, align=h.dtype.bitwidth // 8)
            return _halves(builder, read) if pairs else _float32(builder, read, h.dtype)

        return Vector(width)(h, types.uintp, types.uintp), code

    return load


def _halves(builder: Any, pairs: Any) -> Any:
    """Both bfloat16 numbers of words, the lower ones first: each is the upper half of a float32."""
    count = pairs.type.count
    lower = builder.shl(pairs, ir.Constant(pairs.type, [16] * count))
    upper = builder.and_(pairs, ir.Constant(pairs.type, [0xFFFF0000] * count))
    single = ir.VectorType(ir.FloatType(), count)
    both = [builder.bitcast(x, single) for x in (lower, upper)]
    places = ir.Constant(ir.VectorType(ir.IntType(32), 2 * count), list(range(2 * count)))
    return builder.shuffle_vector(*both, places)


@intrinsic
def store(typing: Any, h: Any, row: Any, column: Any, x: Any) -> Any:
    """Write a vector to a place in an array of float32 numbers."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, h, arguments[:3], arguments[3].type)
        builder.store(arguments[3], pointer, align=4)
        return context.get_dummy_value()

    return types.none(h, types.uintp, types.uintp, x), code


def fetcher(width: int) -> Any:
    """A function (array, row, column) that asks for the lines of a vector, ahead of its use.

    They come to the second cache: the first one's few requests stay with what is read now.
    """

    @intrinsic
    def fetch(typing: Any, h: Any, row: Any, column: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _pointer(context, builder, h, arguments, ir.IntType(8))
            number = ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
            ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            how = [number(0), number(2), number(1)]  # to read; the second cache; data
            for line in range(0, width * h.dtype.bitwidth // 8, LINE):
                builder.call(ask, [builder.gep(pointer, [number(line)]), *how])
            return context.get_dummy_value()

        return types.none(h, types.uintp, types.uintp), code

    return fetch


def filler(width: int) -> Any:
    """A function that makes a vector of one number."""

    @intrinsic
    def fill(typing: Any, x: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            vector, index = ir.VectorType(ir.FloatType(), width), ir.IntType(32)
            nothing = ir.Constant(vector, ir.Undefined)
            one = builder.insert_element(nothing, arguments[0], ir.Constant(index, 0))
            first = ir.Constant(ir.VectorType(index, width), [0] * width)
            return builder.shuffle_vector(one, nothing, first)

        return Vector(width)(types.float32), code

    return fill


def _elementwise(operation: str) -> Callable[..., Any]:
    @intrinsic
    def function(typing: Any, x: Any, y: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, operation)(*arguments, flags=FLAGS)

        return x(x, y), code

    return function


plus, minus, times = map(_elementwise, ("fadd", "fsub", "fmul"))


@intrinsic
def total(typing: Any, x: Any) -> Any:
    """The sum of a vector's numbers."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        single, vector = ir.FloatType(), arguments[0].type
        kind = ir.FunctionType(single, [single, vector])
        name = f"llvm.vector.reduce.fadd.v{vector.count}f32"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, [ir.Constant(single, -0.0), arguments[0]], fastmath=FLAGS)

    return types.float32(x), code
