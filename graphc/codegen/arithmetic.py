"""Arithmetic in IR: instructions on typed values, one a call.

Operands of one instruction may mix uniform and varying values: the uniform ones are splat. Arithmetic that may be
contracted to fma carries the `contract` flag, except inside `strict()`, where elementary functions keep their
error terms exact.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import numpy as np

from graphc.codegen.ir import BOOL, INT64, Module, Value, literal, llvm_type, mangle
from graphc.codegen.twins import Function

Number = Value | int | float | bool

IN_LINE = 6  # how often one function may use an elementary function before it calls it


class Arithmetic:
    """Appends instructions on values to one function; every method returns the value it defines."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.target = module.target
        self._rooms: list[str] = []  # on the stack, made when the function is entered
        self._lines: list[str] = []
        self._places: list[int] = []
        self._count = 0
        self.block = "entry"
        self._flags = "contract "
        self._math_uses: Counter[str] = Counter()

    # -- the function around the instructions ---------------------------------------------------

    def define(
        self, name: str, parameters: Sequence[str], result: str = "void", linkage: str = "", attributes: str = ""
    ) -> None:
        """Close the function: give it its signature and put it in the module."""
        body = "\n".join([*self._rooms, *self._lines])
        self.module.functions[name] = Function(
            name, tuple(parameters), result, linkage, attributes, body, tuple(self._places)
        )

    @contextmanager
    def strict(self) -> Generator[None]:
        """Within, no product is contracted into an fma that was not asked for."""
        before, self._flags = self._flags, ""
        yield
        self._flags = before

    def fresh(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def line(self, text: str) -> None:
        self._lines.append("  " + text)

    def assign(self, text: str, dtype: np.dtype, lanes: int = 1) -> Value:
        """`%vN = text`, as a value."""
        name = self.fresh()
        self._lines.append(f"  {name} = {text}")
        return Value(name, dtype, lanes)

    def place(self, number: int) -> Value:
        """A number that says where data lies: functions which differ in nothing else are one."""
        self._places.append(number)
        return Value(f"%place{len(self._places) - 1}", INT64)

    # -- constants and lanes --------------------------------------------------------------------

    def const(self, value: object, like: Value | np.dtype) -> Value:
        """A uniform constant of the dtype of `like`."""
        dtype = like.dtype if isinstance(like, Value) else like
        return Value(literal(value, dtype), dtype)

    def bits(self, pattern: int, like: Value | np.dtype) -> Value:
        """The float constant with this bit pattern."""
        dtype = like.dtype if isinstance(like, Value) else like
        unsigned = np.dtype(f"u{dtype.itemsize}")
        return Value(literal(np.array(pattern, unsigned).view(dtype)[()], dtype), dtype)

    def splat(self, x: Value, lanes: int) -> Value:
        if x.lanes == lanes:
            return x
        if x.is_constant:
            return Value(f"splat ({x.type} {x.text})", x.dtype, lanes)
        vector = llvm_type(x.dtype, lanes)
        one = self.assign(f"insertelement {vector} poison, {x.type} {x.text}, i64 0", x.dtype, lanes)
        return self.assign(
            f"shufflevector {vector} {one.text}, {vector} poison, <{lanes} x i32> zeroinitializer", x.dtype, lanes
        )

    def lane_numbers(self, lanes: int, dtype: np.dtype = INT64) -> Value:
        """0, 1, 2 … along the lanes."""
        if lanes == 1:
            return self.const(0, dtype)
        element = llvm_type(dtype)
        return Value(f"<{', '.join(f'{element} {i}' for i in range(lanes))}>", dtype, lanes)

    def extract(self, x: Value, lane: int) -> Value:
        return self.assign(f"extractelement {x.type} {x.text}, i64 {lane}", x.dtype)

    def shuffle(self, x: Value, y: Value, lanes: Sequence[int]) -> Value:
        """Lanes chosen from x (0 … n-1) and y (n …), in this order."""
        mask = ", ".join(f"i32 {lane}" for lane in lanes)
        return self.assign(
            f"shufflevector {x.type} {x.text}, {y.type} {y.text}, <{len(lanes)} x i32> <{mask}>", x.dtype, len(lanes)
        )

    def _match(self, *operands: Number) -> list[Value]:
        """Operands with one lane count; Python numbers become constants of the values' dtype."""
        values = [x for x in operands if isinstance(x, Value)]
        lanes = max(x.lanes for x in values)
        return [self.splat(x if isinstance(x, Value) else self.const(x, values[0]), lanes) for x in operands]

    def _binary(self, opcode: str, x: Number, y: Number) -> Value:
        a, b = self._match(x, y)
        return self.assign(f"{opcode} {a.type} {a.text}, {b.text}", a.dtype, a.lanes)

    def intrinsic(self, name: str, *operands: Number, dtype: np.dtype | None = None) -> Value:
        """Call `llvm.<name>.<type>` on operands of one type."""
        values = self._match(*operands)
        result = dtype or values[0].dtype
        lanes = values[0].lanes
        suffix = mangle(values[0].dtype, lanes)
        if dtype is not None:
            suffix = f"{mangle(result, lanes)}.{suffix}"
        return self.call(f"llvm.{name}.{suffix}", llvm_type(result, lanes), values, result, lanes)

    def call(self, name: str, result: str, arguments: Sequence[Value], dtype: np.dtype, lanes: int = 1) -> Value:
        self.module.declare(name, result, [x.type for x in arguments])
        listed = ", ".join(f"{x.type} {x.text}" for x in arguments)
        return self.assign(f"call {result} @{name}({listed})", dtype, lanes)

    def do(self, name: str, arguments: Sequence[Value]) -> None:
        """Call a function that returns nothing."""
        self.module.declare(name, "void", [x.type for x in arguments])
        self.line(f"call void @{name}({', '.join(f'{x.type} {x.text}' for x in arguments)})")

    # -- arithmetic -----------------------------------------------------------------------------

    def _arithmetic(self, name: str, x: Number, y: Number) -> Value:
        a, b = self._match(x, y)
        if (folded := _fold_integers(name, a, b)) is not None:
            return folded
        opcode = f"f{name} {self._flags}" if a.dtype.kind == "f" else f"{name} "
        return self.assign(f"{opcode}{a.type} {a.text}, {b.text}", a.dtype, a.lanes)

    def add(self, x: Number, y: Number) -> Value:
        return self._arithmetic("add", x, y)

    def sub(self, x: Number, y: Number) -> Value:
        return self._arithmetic("sub", x, y)

    def mul(self, x: Number, y: Number) -> Value:
        return self._arithmetic("mul", x, y)

    def div(self, x: Number, y: Number) -> Value:
        """The quotient; of integers truncated towards zero, and undefined for a divisor of zero."""
        a, b = self._match(x, y)
        opcode = {"f": f"fdiv {self._flags}".rstrip(), "u": "udiv"}.get(a.dtype.kind, "sdiv")
        return self._binary(opcode, a, b)

    def rem(self, x: Number, y: Number) -> Value:
        """The integer remainder with the dividend's sign; undefined for a divisor of zero."""
        a, b = self._match(x, y)
        return self._binary("urem" if a.dtype.kind == "u" else "srem", a, b)

    def fma(self, x: Number, y: Number, z: Number) -> Value:
        """x*y + z, rounded once where the target can, else twice."""
        return self.intrinsic("fma" if self.target.has_fma else "fmuladd", x, y, z)

    def neg(self, x: Value) -> Value:
        return self.assign(f"fneg {x.type} {x.text}", x.dtype, x.lanes) if x.dtype.kind == "f" else self.sub(0, x)

    def abs(self, x: Value) -> Value:
        match x.dtype.kind:
            case "f":
                return self.intrinsic("fabs", x)
            case "i":
                return self.select(self.lt(x, 0), self.sub(0, x), x)
            case _:
                return x

    def sqrt(self, x: Value) -> Value:
        return self.intrinsic("sqrt", x)

    def copysign(self, x: Number, sign: Number) -> Value:
        return self.intrinsic("copysign", x, sign)

    def floor(self, x: Value) -> Value:
        return self._round("floor", x)

    def ceil(self, x: Value) -> Value:
        return self._round("ceil", x)

    def trunc(self, x: Value) -> Value:
        return self._round("trunc", x)

    def rint(self, x: Value) -> Value:
        """To the nearest integer, ties to even."""
        return self._round("rint", x)

    def _round(self, name: str, x: Value) -> Value:
        """One instruction; where there is none (and no fma), what adding 2^mantissa rounds, corrected by one."""
        if self.target.has_fma:
            return self.intrinsic(name, x)
        whole, magnitude = 2.0 ** np.finfo(x.dtype).nmant, self.abs(x)  # from there on all numbers are integers
        nearest = self.copysign(self.sub(self.add(magnitude, whole), whole), x)
        one = self.copysign(1.0, x) if name == "trunc" else self.const(-1.0 if name == "ceil" else 1.0, x)
        too_far = self.lt(self.mul(x, one), self.mul(nearest, one))
        rounded = nearest if name == "rint" else self.select(too_far, self.sub(nearest, one), nearest)
        return self.select(self.lt(magnitude, whole), self.copysign(rounded, x), x)

    def maximum(self, x: Number, y: Number) -> Value:
        """The greater; a NaN if either is one."""
        return self._extreme("max", "ogt", x, y)

    def minimum(self, x: Number, y: Number) -> Value:
        """The lesser; a NaN if either is one."""
        return self._extreme("min", "olt", x, y)

    def _extreme(self, name: str, order: str, x: Number, y: Number) -> Value:
        a, b = self._match(x, y)
        if (folded := _fold_integers(name, a, b)) is not None:
            return folded
        match a.dtype.kind:
            case "f":
                # x if x is a NaN or beyond y, else y: two compares, and NumPy's NaN rule
                beyond = self.assign(f"fcmp {order} {a.type} {a.text}, {b.text}", BOOL, a.lanes)
                return self.select(self.or_(beyond, self.is_nan(a)), a, b)
            case "b":
                return self.or_(a, b) if name == "max" else self.and_(a, b)
            case kind:
                return self.intrinsic(("u" if kind == "u" else "s") + name, a, b)

    def math(self, name: str, *operands: Value) -> Value:
        """An elementary function: an expansion in line, or one for the module where it is used often or on scalars."""
        values = self._match(*operands)
        self._math_uses[name] += 1
        if values[0].lanes > 1 and self._math_uses[name] <= IN_LINE:
            return self.module.math[name](self, *values)
        return self._out_of_line(name, values)

    def _out_of_line(self, name: str, values: Sequence[Value]) -> Value:
        x = values[0]
        function = f"{name}.{mangle(x.dtype, x.lanes)}"
        if function not in self.module.functions:
            inside = type(self)(self.module)
            result = self.module.math[name](inside, *[Value(f"%x{k}", x.dtype, x.lanes) for k in range(len(values))])
            inside.line(f"ret {result.type} {result.text}")
            inside.define(function, [f"{x.type} %x{k}" for k in range(len(values))], result.type, "internal")
        return self.call(function, x.type, values, x.dtype, x.lanes)

    # -- comparison, choice, bits ---------------------------------------------------------------

    def _compare(self, name: str, x: Number, y: Number) -> Value:
        a, b = self._match(x, y)
        match a.dtype.kind:
            case "f":
                text = "fcmp " + ("une" if name == "ne" else "o" + name)
            case kind:
                text = "icmp " + (name if name in ("eq", "ne") else ("s" if kind == "i" else "u") + name)
        return self.assign(f"{text} {a.type} {a.text}, {b.text}", BOOL, a.lanes)

    def eq(self, x: Number, y: Number) -> Value:
        return self._compare("eq", x, y)

    def ne(self, x: Number, y: Number) -> Value:
        return self._compare("ne", x, y)

    def lt(self, x: Number, y: Number) -> Value:
        return self._compare("lt", x, y)

    def le(self, x: Number, y: Number) -> Value:
        return self._compare("le", x, y)

    def gt(self, x: Number, y: Number) -> Value:
        return self._compare("gt", x, y)

    def ge(self, x: Number, y: Number) -> Value:
        return self._compare("ge", x, y)

    def is_nan(self, x: Value) -> Value:
        return self.assign(f"fcmp uno {x.type} {x.text}, {x.text}", BOOL, x.lanes)

    def select(self, condition: Value, x: Number, y: Number) -> Value:
        """x where the condition holds, else y."""
        a, b = self._match(x, y)
        if condition.lanes == 1:
            return self.assign(f"select i1 {condition.text}, {a.type} {a.text}, {b.type} {b.text}", a.dtype, a.lanes)
        a, b = self.splat(a, condition.lanes), self.splat(b, condition.lanes)
        return self.assign(
            f"select {condition.type} {condition.text}, {a.type} {a.text}, {b.type} {b.text}", a.dtype, a.lanes
        )

    def and_(self, x: Number, y: Number) -> Value:
        return self._binary("and", x, y)

    def or_(self, x: Number, y: Number) -> Value:
        return self._binary("or", x, y)

    def xor(self, x: Number, y: Number) -> Value:
        return self._binary("xor", x, y)

    def not_(self, x: Value) -> Value:
        return self.xor(x, True if x.dtype.kind == "b" else -1)

    def shl(self, x: Number, y: Number) -> Value:
        return self._binary("shl", x, y)

    def shr(self, x: Number, y: Number) -> Value:
        """Shift right: arithmetic for signed integers, logical for unsigned ones."""
        a, b = self._match(x, y)
        return self._binary("lshr" if a.dtype.kind == "u" else "ashr", a, b)

    def any(self, mask: Value) -> Value:
        """Whether any lane holds, as a uniform bool."""
        if mask.lanes == 1:
            return mask
        return self.call(f"llvm.vector.reduce.or.{mangle(BOOL, mask.lanes)}", "i1", [mask], BOOL)

    # -- conversion -----------------------------------------------------------------------------

    def bitcast(self, x: Value, dtype: np.dtype) -> Value:
        """The same bits as another dtype of the same size."""
        if llvm_type(x.dtype) == llvm_type(dtype):
            return Value(x.text, dtype, x.lanes)
        return self.assign(f"bitcast {x.type} {x.text} to {llvm_type(dtype, x.lanes)}", dtype, x.lanes)

    def convert(self, x: Value, dtype: np.dtype) -> Value:
        """The same number as another dtype; floats become integers by truncation, saturating."""
        source, wanted = x.dtype, dtype
        if source == wanted:
            return x
        match source.kind, wanted.kind:
            case _, "b":
                return self.ne(x, 0)
            case "f", "f":
                opcode = "fpext" if source.itemsize < wanted.itemsize else "fptrunc"
            case "f", "i":
                return self.intrinsic("fptosi.sat", x, dtype=wanted)
            case "f", _:
                return self.intrinsic("fptoui.sat", x, dtype=wanted)
            case (("b" | "u"), "f"):
                opcode = "uitofp"
            case _, "f":
                opcode = "sitofp"
            case _ if source.kind != "b" and source.itemsize == wanted.itemsize:
                return Value(x.text, wanted, x.lanes)
            case _ if source.kind != "b" and source.itemsize > wanted.itemsize:
                opcode = "trunc"
            case kind, _:
                opcode = "sext" if kind == "i" else "zext"
        return self.assign(f"{opcode} {x.type} {x.text} to {llvm_type(wanted, x.lanes)}", wanted, x.lanes)


_INTEGER_FOLDS: dict[str, Callable[[int, int], int]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "max": max,
    "min": min,
}


def _fold_integers(name: str, a: Value, b: Value) -> Value | None:
    """The result of arithmetic on index constants, and of adding 0 or multiplying by 1: most indices have some."""
    if a.dtype != INT64 or a.lanes > 1:
        return None
    if a.is_constant and b.is_constant:
        return Value(str(_INTEGER_FOLDS[name](int(a.text), int(b.text))), INT64)
    neutral = {"add": "0", "sub": "0", "mul": "1"}.get(name)
    if b.text == neutral:
        return a
    return b if a.text == neutral and name != "sub" else None
