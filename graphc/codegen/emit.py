"""LLVM IR as text: typed values, and an emitter that appends one instruction a call.

A `Value` with one lane is *uniform* (a scalar), with more it is *varying* (a vector). Operands of one
instruction may mix the two: the uniform ones are splat. Signedness lives in the NumPy dtype, since LLVM
integers have none. Arithmetic that may be contracted to fma carries the `contract` flag, except inside
`strict()`, where elementary functions keep their error terms exact.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from graphc.codegen.target import Target

BOOL = np.dtype(np.bool_)
INT32 = np.dtype(np.int32)
INT64 = np.dtype(np.int64)
FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
ADDRESS = np.dtype(object)  # a pointer held as a value

_SCALARS = {"b": "i1", "f2": "half", "f4": "float", "f8": "double", "O8": "ptr"}


def llvm_type(dtype: np.dtype, lanes: int = 1) -> str:
    """The LLVM type of a value of this dtype: `float`, or `<16 x float>`."""
    kind = dtype.kind
    scalar = _SCALARS["b"] if kind == "b" else _SCALARS.get(f"{kind}{dtype.itemsize}") or f"i{8 * dtype.itemsize}"
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


def memory_type(dtype: np.dtype, lanes: int = 1) -> str:
    """The LLVM type as stored in memory, where a bool is a byte."""
    return llvm_type(np.dtype(np.uint8) if dtype.kind == "b" else dtype, lanes)


def literal(value: object, dtype: np.dtype) -> str:
    """The text of one constant: exact, NaN and infinities included."""
    if dtype.kind == "b":
        return "true" if value else "false"
    if dtype.kind == "O":
        return "null"
    if dtype.kind != "f":
        return str(int(value))  # type: ignore[call-overload]
    if dtype.itemsize == 2:
        return f"0xH{np.float16(value).view(np.uint16):04X}"  # type: ignore[arg-type]
    number = np.float32(value) if dtype.itemsize == 4 else value  # type: ignore[arg-type]
    return f"0x{struct.pack('>d', float(number)).hex().upper()}"  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Value:
    """An SSA value or a constant: its text, its dtype, and how many lanes it has (1: uniform)."""

    text: str
    dtype: np.dtype
    lanes: int = 1

    @property
    def type(self) -> str:
        return llvm_type(self.dtype, self.lanes)

    @property
    def is_constant(self) -> bool:
        return self.text[0] not in "%@"


@dataclass(frozen=True, slots=True)
class Pointer:
    """An address of elements of one dtype."""

    text: str
    dtype: np.dtype


@dataclass
class Module:
    """Functions, globals and declarations, joined into one text for LLVM to parse."""

    target: Target
    math: Mapping[str, Callable[..., Value]] = field(default_factory=dict)  # elementary functions by name
    functions: dict[str, str] = field(default_factory=dict)
    globals: dict[str, str] = field(default_factory=dict)
    declarations: dict[str, str] = field(default_factory=dict)

    def declare(self, name: str, result: str, arguments: Sequence[str]) -> None:
        """Name a function that this module calls; one that it also defines needs no declaration in the text."""
        self.declarations.setdefault(name, f"declare {result} @{name}({', '.join(arguments)})")

    def external(self, name: str) -> Value:
        """The address of what is defined outside the module under this name."""
        self.globals.setdefault(name, f"@{name} = external global i8")
        return Value(f"@{name}", ADDRESS)

    def constant_table(self, name: str, values: np.ndarray) -> Pointer:
        """A read-only table in the module, shared by name."""
        element = memory_type(values.dtype)
        items = ", ".join(f"{element} {literal(v, values.dtype)}" for v in values.ravel().tolist())
        self.globals.setdefault(
            name, f"@{name} = private unnamed_addr constant [{values.size} x {element}] [{items}], align 64"
        )
        return Pointer(f"@{name}", values.dtype)

    def text(self) -> str:
        parts = [f'target triple = "{self.target.triple}"', *self.globals.values()]
        declared = [text for name, text in self.declarations.items() if name not in self.functions]
        return "\n".join([*parts, *declared, *self.functions.values()]) + "\n"


Number = Value | int | float | bool


class Emitter:
    """Appends instructions to one function; every method returns the value it defines."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.target = module.target
        self._lines: list[str] = []
        self._count = 0
        self.block = "entry"
        self._flags = "contract "

    # -- the function around the instructions ---------------------------------------------------

    def define(self, name: str, parameters: Sequence[str], result: str = "void", linkage: str = "") -> None:
        """Close the function: give it its signature and put it in the module."""
        head = f"define {linkage} {result} @{name}({', '.join(parameters)})"
        self.module.functions[name] = "\n".join([head + " {", "entry:", *self._lines, "}"])

    @contextmanager
    def strict(self) -> Iterator[None]:
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
        """An elementary function, as a straight-line expansion."""
        return self.module.math[name](self, *self._match(*operands))

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
        return mask if mask.lanes == 1 else self.call(f"llvm.vector.reduce.or.{mangle(BOOL, mask.lanes)}", "i1", [mask], BOOL)

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
            case ("b" | "u"), "f":
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

    # -- memory ---------------------------------------------------------------------------------

    def offset(self, pointer: Pointer, index: Value | int) -> Pointer:
        if index == 0 or (isinstance(index, Value) and index.text == "0"):
            return pointer
        i = index if isinstance(index, Value) else self.const(index, INT64)
        name = self.fresh()
        self.line(f"{name} = getelementptr {memory_type(pointer.dtype)}, ptr {pointer.text}, {i.type} {i.text}")
        return Pointer(name, pointer.dtype)

    def member(self, base: Value, offset: int, dtype: np.dtype) -> Pointer:
        """The member of a struct, so many bytes after its start."""
        return Pointer(self.offset(Pointer(base.text, np.dtype(np.uint8)), offset).text, dtype)

    def stack(self, dtype: np.dtype, count: Value | int, align: int = 8) -> Pointer:
        """Room for some elements until the function returns; not for inside a loop."""
        name, size = self.fresh(), count if isinstance(count, Value) else self.const(count, INT64)
        self.line(f"{name} = alloca {memory_type(dtype)}, i64 {size.text}, align {align}")
        return Pointer(name, dtype)

    def load(self, pointer: Pointer, lanes: int = 1, mask: Value | None = None) -> Value:
        """Consecutive elements; where the mask does not hold nothing is read and the lane is zero."""
        dtype, kind = pointer.dtype, memory_type(pointer.dtype, lanes)
        stored = np.dtype(np.uint8) if dtype.kind == "b" else dtype
        if mask is None or lanes == 1:
            value = self.assign(f"load {kind}, ptr {pointer.text}, align {stored.itemsize}", stored, lanes)
        else:
            mask = self.splat(mask, lanes)
            name = f"llvm.masked.load.{mangle(stored, lanes)}.p0"
            self.module.declare(name, kind, ["ptr", "i32", f"<{lanes} x i1>", kind])
            value = self.assign(
                f"call {kind} @{name}(ptr {pointer.text}, i32 {stored.itemsize}, {mask.type} {mask.text}, "
                f"{kind} zeroinitializer)",
                stored,
                lanes,
            )
        return self.ne(value, 0) if dtype.kind == "b" else value

    def store(self, value: Value, pointer: Pointer, mask: Value | None = None) -> None:
        """Write consecutive elements, those where the mask holds."""
        x = self.convert(value, np.dtype(np.uint8)) if value.dtype.kind == "b" else value
        if mask is None or x.lanes == 1:
            self.line(f"store {x.type} {x.text}, ptr {pointer.text}, align {x.dtype.itemsize}")
            return
        mask = self.splat(mask, x.lanes)
        name = f"llvm.masked.store.{mangle(x.dtype, x.lanes)}.p0"
        self.module.declare(name, "void", [x.type, "ptr", "i32", f"<{x.lanes} x i1>"])
        self.line(
            f"call void @{name}({x.type} {x.text}, ptr {pointer.text}, i32 {x.dtype.itemsize}, {mask.type} {mask.text})"
        )

    def gather(self, pointer: Pointer, indices: Value, mask: Value | None = None) -> Value:
        """The elements at these indices, one a lane; lanes without the mask read nothing and are zero."""
        if indices.lanes == 1:
            return self.load(self.offset(pointer, indices))
        lanes = indices.lanes
        stored = np.dtype(np.uint8) if pointer.dtype.kind == "b" else pointer.dtype
        kind, element = llvm_type(stored, lanes), memory_type(stored)
        held = self.splat(mask if mask is not None else self.const(True, BOOL), lanes)
        addresses = self.fresh()
        self.line(
            f"{addresses} = getelementptr {element}, ptr {pointer.text}, {indices.type} {indices.text}"
        )
        name = f"llvm.masked.gather.{mangle(stored, lanes)}.v{lanes}p0"
        self.module.declare(name, kind, [f"<{lanes} x ptr>", "i32", f"<{lanes} x i1>", kind])
        value = self.assign(
            f"call {kind} @{name}(<{lanes} x ptr> {addresses}, i32 {stored.itemsize}, {held.type} {held.text}, "
            f"{kind} zeroinitializer)",
            stored,
            lanes,
        )
        return self.ne(value, 0) if pointer.dtype.kind == "b" else value

    def scatter(self, value: Value, pointer: Pointer, indices: Value, mask: Value | None = None) -> None:
        """Write the elements at these indices, one a lane; the indices of one vector differ."""
        x = self.convert(value, np.dtype(np.uint8)) if value.dtype.kind == "b" else value
        if indices.lanes == 1:
            self.store(x, self.offset(Pointer(pointer.text, x.dtype), indices))
            return
        lanes, x = indices.lanes, self.splat(x, indices.lanes)
        held = self.splat(mask if mask is not None else self.const(True, BOOL), lanes)
        addresses = self.fresh()
        self.line(
            f"{addresses} = getelementptr {memory_type(x.dtype)}, ptr {pointer.text}, "
            f"{indices.type} {indices.text}"
        )
        name = f"llvm.masked.scatter.{mangle(x.dtype, lanes)}.v{lanes}p0"
        self.module.declare(name, "void", [x.type, f"<{lanes} x ptr>", "i32", f"<{lanes} x i1>"])
        self.line(
            f"call void @{name}({x.type} {x.text}, <{lanes} x ptr> {addresses}, i32 {x.dtype.itemsize}, "
            f"{held.type} {held.text})"
        )

    # -- control --------------------------------------------------------------------------------

    def label(self, name: str) -> None:
        self.block = name
        self._lines.append(f"{name}:")

    def new_label(self, stem: str) -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def jump(self, label: str) -> None:
        self.line(f"br label %{label}")

    def branch(self, condition: Value, then: str, otherwise: str) -> None:
        self.line(f"br i1 {condition.text}, label %{then}, label %{otherwise}")

    def phi(self, dtype: np.dtype, lanes: int, incoming: Sequence[tuple[Value, str]]) -> Value:
        listed = ", ".join(f"[ {value.text}, %{label} ]" for value, label in incoming)
        return self.assign(f"phi {llvm_type(dtype, lanes)} {listed}", dtype, lanes)

    def when(self, condition: Value, then: Callable[[], None]) -> None:
        """Run one side only, which gives no values."""
        self.if_else(condition, lambda: then() or [], lambda: [])

    def if_else(
        self, condition: Value, then: Callable[[], Sequence[Value]], otherwise: Callable[[], Sequence[Value]]
    ) -> list[Value]:
        """The values of one side or the other; only that side runs. The condition is uniform."""
        yes, no, done = self.new_label("then"), self.new_label("else"), self.new_label("endif")
        self.branch(condition, yes, no)
        self.label(yes)
        taken = list(then())
        yes = self.block
        self.jump(done)
        self.label(no)
        other = list(otherwise())
        no = self.block
        self.jump(done)
        self.label(done)
        return [self.phi(a.dtype, a.lanes, [(a, yes), (b, no)]) for a, b in zip(taken, other, strict=True)]

    def loop(
        self,
        start: Value | int,
        stop: Value | int,
        step: int,
        carried: Sequence[Value],
        body: Callable[[Value, list[Value]], Sequence[Value]],
    ) -> list[Value]:
        """`for i in range(start, stop, step)`: the body maps the index and carried values to new ones."""
        first = start if isinstance(start, Value) else self.const(start, INT64)
        last = stop if isinstance(stop, Value) else self.const(stop, INT64)
        head, done, before = self.new_label("loop"), self.new_label("done"), self.block
        known = isinstance(start, int) and isinstance(stop, int)
        if known and start >= stop:  # type: ignore[operator]
            return list(carried)
        if known and start + step >= stop:  # type: ignore[operator]
            return list(body(first, list(carried)))
        if known:
            self.jump(head)
        else:
            self.branch(self.lt(first, last), head, done)
        self.label(head)
        index = Value(self.fresh(), INT64)
        held = [Value(self.fresh(), x.dtype, x.lanes) for x in carried]
        at = len(self._lines)  # the phis go here, once the values of the next round are known
        after = list(body(index, list(held)))
        following = self.add(index, step)
        again = self.lt(following, last)
        latch = self.block
        self.branch(again, head, done)
        phis = [(index, first, following), *zip(held, carried, after, strict=True)]
        self._lines[at:at] = [
            f"  {x.text} = phi {x.type} [ {a.text}, %{before} ], [ {b.text}, %{latch} ]" for x, a, b in phis
        ]
        self.label(done)
        if known:
            return after
        return [
            self.phi(a.dtype, a.lanes, [(a, before), (b, latch)]) for a, b in zip(carried, after, strict=True)
        ]


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


def mangle(dtype: np.dtype, lanes: int) -> str:
    """The type's name inside an intrinsic's: `v16f32`."""
    scalar = "i1" if dtype.kind == "b" else f"{'f' if dtype.kind == 'f' else 'i'}{8 * dtype.itemsize}"
    return scalar if lanes == 1 else f"v{lanes}{scalar}"
