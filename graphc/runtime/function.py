"""Functions: what `compile` gives and the user calls.

A call goes to native code, which takes the very arrays it was made for. Anything else comes here, to the slow
path: arguments are named, converted and checked; if a variable had no type, a specialisation for the types that
came is made; a plan is made for the extents that came; then the native code is called again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from threading import RLock
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from graphc.codegen.program import ENTRY, emit_program
from graphc.codegen.prototype import Prototype
from graphc.codegen.target import Target
from graphc.errors import BindError, IterationError
from graphc.graph import Graph
from graphc.kernel.cost import ProgramCost, program_cost
from graphc.kernel.fuse import fuse as fuse_graph
from graphc.kernel.kernel import Kernel
from graphc.kernel.program import Program
from graphc.node import Node, variable
from graphc.ops.control import Loop
from graphc.ops.declare import offence
from graphc.passes.notes import resolve
from graphc.passes.notes import updates as noted_updates
from graphc.passes.pipeline import optimise
from graphc.runtime import engine, loops, pool
from graphc.runtime.arguments import Array, arrange, check_variables, describe, dimensions, flat_buffers, listed
from graphc.runtime.blas import find_blas
from graphc.runtime.callable import vectorcall
from graphc.runtime.entry import ERROR_SET
from graphc.runtime.log import Compilation, Stopwatch, reason
from graphc.runtime.native import Entry
from graphc.runtime.plain import PLAIN, load_plain, low_level_callable
from graphc.runtime.signature import Buffer, Signature, Slot
from graphc.show.dot import to_dot
from graphc.show.plan import show_plan
from graphc.show.watch import Watch
from graphc.source import show_source
from graphc.state import State, check_updates, states_of
from graphc.sym.record import replay
from graphc.tree import TreeDef, flatten, unflatten
from graphc.types import Dim, Type, evaluate, require_known


def compile(
    inputs: Node | Sequence[Node],
    outputs: Any,
    *,
    updates: Mapping[State, Node] | None = None,
    fuse: bool = True,
    fast_math: bool = False,
    target: str | None = None,
    training: bool = False,
) -> Function:
    """A callable that computes `outputs` (a node, or nested lists, tuples and dicts of nodes) from arrays.

    `inputs` is a variable or a sequence of variables, in call order; arrays may be given by name too. Variables
    without a type take that of the first arrays; for each new combination of types the code is made anew, while
    one code serves every size of a named dimension. Results are new arrays, or go to `out=`, a structure of arrays
    like the outputs. When a call ends, each state in `updates` takes the value of its node; all do, or, if the call
    fails, none (see `graphc.state`). With `fuse=False` every operator has a kernel of its own; with `fast_math=True`
    the algebra may ignore rounding, infinities and NaNs. `target` names a processor that this machine can stand in
    for (`'x86-64'`, `'avx2'`, …) instead of the machine itself. With `training=True` layers that train otherwise than
    they infer (batch norm, dropout) do what they do in training, and their states are updated when the call ends.

    Raises `BindError` for outputs that depend on a variable not among the inputs, and, when called, for data
    that does not fit a variable.

    >>> import numpy as np
    >>> from graphc import compile, sym
    >>> a, b = sym.var('a'), sym.var('b')
    >>> f = compile([a, b], 2 * a + b)
    >>> f(np.arange(3.), np.ones(3))
    array([1., 3., 5.])
    >>> f(b=1, a=[1, 2])
    array([3, 5])
    """
    variables = (inputs,) if isinstance(inputs, Node) else tuple(inputs)
    return Function(variables, outputs, Options(fuse, fast_math, target, training), updates)


PLANS = 1024  # how many sets of extents a function remembers


@dataclass(frozen=True)
class Options:
    """How to compile."""

    fuse: bool = True
    fast_math: bool = False
    target: str | None = None
    training: bool = False

    @property
    def processor(self) -> Target:
        target = Target.named(self.target) if self.target else Target.host()
        if not target.runs_here:
            raise ValueError(f"this machine does not run code for {self.target}; `graphc.export` writes it for others")
        return target


class _Function:
    """A compiled function of arrays; see `compile`."""

    target: Any

    def __init__(
        self, inputs: tuple[Node, ...], outputs: Any, options: Options, updates: Mapping[State, Node] | None = None
    ) -> None:
        leaves, self.structure = flatten(outputs)
        self.updates = dict(updates or {})
        check_updates(self.updates)
        roots = [*leaves, *self.updates.values()]
        check_variables(inputs, roots)
        roots = _as_run(roots, options.training)
        self.inputs, self.outputs, self.options = inputs, tuple(roots[: len(leaves)]), options
        self.updates = dict(zip(self.updates, roots[len(leaves) :]))
        self.states = tuple(dict.fromkeys((*self.updates, *states_of(roots))))
        self.codes: dict[tuple[Type, ...], Code] = {}
        self._lock = RLock()
        self.target, self._into = self._slow, _not_taken
        if all(x.type is not None for x in inputs):
            self._use(self._code(()))

    # -- calls ----------------------------------------------------------------------------------

    def _slow(self, *args: Any, out: Any = None, **named: Any) -> Any:
        """A call that the entry for new results did not take."""
        if out is None:
            code, arrays, _ = self._prepared(args, named)
            return code.call(*arrays)
        buffers = flat_buffers(out, self.structure)
        if named or self._into(*args, *buffers) is NotImplemented:
            code, arrays, dims = self._prepared(args, named)
            code.write(arrays, buffers, dims)
            self._into = code.into
        return out

    def _prepared(self, args: Sequence[Any], named: Mapping[str, Any]) -> tuple[Code, list[Array], dict[str, int]]:
        """The specialisation for these arguments, which from now on takes such; they as arrays; and their extents."""
        arrays = arrange(self.inputs, args, named)
        key = tuple(Type(a.dtype, a.shape) for x, a in zip(self.inputs, arrays, strict=True) if x.type is None)
        with self._lock:
            code = self._code(key)
            dims = dimensions(self.inputs, arrays)
            code.prepare(dims)
            self._use(code)
        return code, arrays, dims

    def _use(self, code: Code) -> None:
        self.target = code.call

    # -- code -----------------------------------------------------------------------------------

    def _code(self, key: tuple[Type, ...]) -> Code:
        """The specialisation for these types of the untyped inputs."""
        if key not in self.codes:
            types = iter(key)
            typed = {x: x if x.type else variable(x.name, next(types)) for x in self.inputs}
            places = {x: variable(x.name, x.type) for x in self.states}
            roots = replay((*self.outputs, *self.updates.values()), {**typed, **places})
            outputs, asked = roots[: len(self.outputs)], roots[len(self.outputs) :]
            noted = noted_updates(roots) if self.options.training else {}
            updates = {x: noted[place] for x, place in places.items() if place in noted}
            updates |= zip(self.updates, asked, strict=True)
            check_updates(updates)
            states = tuple(dict.fromkeys((*updates, *self.states)))
            graph = Graph((*typed.values(), *(places[x] for x in states)), (*outputs, *updates.values()))
            why = reason(self.inputs, key, self.codes)
            self.codes[key] = Code(graph, self.structure, self.options, self._slow, why, states)
        return self.codes[key]

    @property
    def code(self) -> Code:
        """The specialisation made last."""
        if not self.codes:
            what = "nothing is compiled yet: some inputs have no type before the first call"
            raise BindError(offence("compile", what, "declare them, or call first"))
        return next(reversed(self.codes.values()))

    @property
    def graph(self) -> Graph:
        """The graph that runs, after all passes."""
        return self.code.program.graph

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The kernels that run."""
        return self.code.program.kernels

    @property
    def program(self) -> Program:
        """Kernels and library calls in order, and the memory plan."""
        return self.code.program

    @property
    def compile_log(self) -> list[Compilation]:
        """What was compiled, why anew, and how long every stage took."""
        return [code.compilation for code in self.codes.values()]

    def cost(self, **dims: int) -> ProgramCost:
        """Bytes, operations and workspace of a call: formulas, or numbers if the named dimensions are given."""
        return program_cost(self.program, dims)

    def to_dot(self, path: str | PathLike[str] | None = None, **options: Any) -> str:
        """The graph that runs as DOT, its kernels framed; see `graphc.to_dot`."""
        return to_dot(self.program, path, **options)

    def plan(self, **dims: int) -> str:
        """The memory plan as text; with offsets if the named dimensions are given."""
        return show_plan(self.program, dims)

    @property
    def llvm(self) -> str:
        """The generated LLVM IR."""
        return self.code.text

    @property
    def assembly(self) -> str:
        """The generated machine code, as text."""
        return engine.assembly(self.code.text, self.options.processor)

    @property
    def address(self) -> int:
        """Where a plain C function of the form `native_signature` lies, as long as this function lives."""
        self.require_no_states("address")
        return self.code.plain.address(PLAIN)

    @property
    def native_signature(self) -> str:
        """The declaration in C of what lies at `address`: arrays, then the named dimensions."""
        self.require_no_states("native_signature")
        return Prototype.of("function", self.program, self.structure).declaration

    def low_level_callable(self) -> Any:
        """This function of float64 scalars as SciPy's `LowLevelCallable`, of the form `double (int, double *)`."""
        self.require_no_states("low_level_callable")
        return low_level_callable(self.program, self.code.plain, self.code)

    def require_no_states(self, what: str) -> None:
        """Raise `BindError` if there are states, which only this process has."""
        if self.states:
            raise BindError(
                f"{what}: the function has the states {listed(self.states)}, which live in this process; "
                "compile graphc.freeze(outputs), which has their values, or make them inputs, and their updates outputs"
            )

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: object) -> Any:
        return self

    def __repr__(self) -> str:
        return f"<Function ({listed(self.inputs)}) of {len(self.outputs)} outputs>"


def _as_run(roots: Sequence[Node], training: bool) -> Sequence[Node]:
    """The nodes without notes, if they have types, in inference: it does not read what only training does."""
    inference = not training and all(root.type is not None for root in roots)
    return resolve(Graph((), tuple(roots)), training).outputs if inference else roots


def _not_taken(*arrays: Any) -> Any:
    """What the entry that writes into given arrays does with those that it is not made for."""
    return NotImplemented


class Code:
    """One specialisation: program, machine code, and the entries that call it."""

    def __init__(
        self, graph: Graph, structure: TreeDef, options: Options, slow: Any, why: str, states: tuple[State, ...]
    ) -> None:
        blas, target = find_blas(), options.processor
        watch, stopwatch = Watch(), Stopwatch()
        watch.recorded(graph)
        graph = optimise(graph, blas is not None, options.fast_math, watch.after_pass, options.training)
        stopwatch.lap("simplify")
        schedule = fuse_graph(graph, options.fuse)
        watch.fused(graph, schedule)
        stopwatch.lap("fuse")
        self.program = Program.of(graph, schedule)
        watch.planned(self.program)
        stopwatch.lap("lower")
        integer = blas.integer if blas else np.dtype(np.int64)
        self.text = emit_program(self.program, target, integer).text()
        watch.generated(self.text, lambda text: engine.assembly(text, target))
        stopwatch.lap("emit")
        object_code, cached = engine.cached_object(self.text, target)
        stopwatch.lap("LLVM")
        helpers = (loops.symbols() if self.program.nested else {}) | (pool.symbols() if self.program.has_parts else {})
        loaded = engine.link(object_code, target, [ENTRY], helpers | (blas.symbols if blas else {}))
        self._plans: dict[tuple[int, ...], Array] = {}
        self._signature = self._describe(structure, states)
        self._entry = Entry(loaded.address(ENTRY), self._signature, slow, (loaded, self.program), self._fail)
        self._address, self._loaded = loaded.address(ENTRY), loaded
        self.call = self._entry.function
        if not self.program.symbols:
            self.prepare({})
        stopwatch.lap("load")
        self.compilation = stopwatch.record(why, self.program, cached)

    def prepare(self, dims: Mapping[str, int]) -> Array:
        """Make calls of these extents possible; their plan."""
        require_known(frozenset(self.program.symbols), dims)
        key = tuple(dims[name] for name in self.program.symbols)
        if key not in self._plans:
            if len(self._plans) == PLANS:
                del self._plans[next(iter(self._plans))]
            self._plans[key] = self.program.plan(dims)
        self._entry.install(self._plans[key])
        return self._plans[key]

    def write(self, arrays: Sequence[Array], out: Sequence[Any], dims: Mapping[str, int]) -> None:
        """Run into the caller's arrays; what cannot be written directly is written to a copy first."""
        for node, array in zip(self.program.graph.outputs, out):
            shape = tuple(evaluate(extent, dims) for extent in node.shape)
            if not isinstance(array, np.ndarray) or array.dtype != node.dtype or array.shape != shape:
                what = f"out= holds {describe(array)} where the result is {node.dtype}{list(shape)}"
                raise BindError(offence("call", what, "give an array like the result"))
            if not array.flags.writeable:
                raise BindError(offence("call", "out= holds an array that is not writeable", "give a copy of it"))
        if not self._signature.states:
            self._direct.install(self.prepare(dims))
        if self.into(*arrays, *out) is NotImplemented:
            self._copy_into(arrays, out)

    @property
    def into(self) -> Callable[..., Any]:
        """Runs into arrays that follow the arguments; gives `NotImplemented` if they are not as it needs them."""
        return _not_taken if self._signature.states else self._direct.function

    @cached_property
    def plain(self) -> engine.Engine:
        """The same program as a plain C function."""
        return load_plain(self.program, self._address)

    @cached_property
    def _direct(self) -> Entry:
        signature = Signature(self._signature.inputs, self._signature.outputs, self._signature.structure, into=True)
        return Entry(self._address, signature, _not_taken, (self._loaded, self.program), self._fail)

    def _fail(self, status: int) -> NoReturn:
        """Raise the error of a run that ended early, which is set already if the status is 1."""
        node = self.program.controls[status - ERROR_SET - 1].node
        limit = Loop.of(node).params.limit
        raise IterationError(
            f"loop ({show_source(node.source)}): it goes on after {limit} iterations, its max_iterations; "
            "give more, or mend its condition"
        )

    def _copy_into(self, arrays: Sequence[Array], out: Sequence[Array]) -> None:
        """Arrays that overlap or are not contiguous: results are made elsewhere and copied."""
        if any(np.shares_memory(x, y) for k, x in enumerate(out) for y in out[:k]):
            raise BindError(offence("call", "out= holds arrays that share memory", "give each result its own"))
        results, _ = flatten(self.call(*arrays))
        for array, result in zip(out, results, strict=True):
            array[...] = result

    def _describe(self, structure: TreeDef, states: tuple[State, ...]) -> Signature:
        graph = self.program.graph
        inputs = tuple(map(self._buffer, graph.inputs[: len(graph.inputs) - len(states)]))
        outputs = tuple(map(self._buffer, graph.outputs))
        numbers = unflatten(structure, range(structure.size))
        return Signature(inputs, outputs, numbers, states=states, updates=len(outputs) - structure.size)

    def _buffer(self, node: Node) -> Buffer:
        shape = (Slot(self.program.extent_slot(e)) if isinstance(e, Dim) else e for e in node.shape)
        return Buffer(node.dtype, tuple(shape))


if TYPE_CHECKING:

    class Function(_Function):
        """A compiled function of arrays; see `compile`."""

        def __call__(self, *args: Any, out: Any = None, **named: Any) -> Any: ...
else:
    Function = vectorcall(_Function)
