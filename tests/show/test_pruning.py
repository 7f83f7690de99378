from graphc import Graph, grad, sym, why


def test_what_is_pruned_is_listed_with_the_outputs_that_needed_it():
    x, w = sym.var("x", shape=(3,)), sym.var("w", shape=(3,))
    y = sym.sum(sym.exp(x) * w)
    dx, dw = grad(y, [x, w])
    lines = why([y, dw], [y, dx, dw]).split("\n")
    gone = len(Graph.of([y, dx, dw]).nodes) - len(Graph.of([y, dw]).nodes)
    assert lines[0] == f"{gone} of {len(Graph.of([y, dx, dw]).nodes)} nodes are gone:"
    assert len(lines) == 1 + 2 * gone and set(lines[2::2]) == {"    only output 1 needs it"}


def test_nothing_pruned_is_one_line():
    x = sym.var("x", shape=())
    assert why(x + 1, x + 1) == f"0 of {len(Graph.of(x + 1).nodes)} nodes are gone"


def test_twenty_parameters_and_one_gradient_prune_what_the_others_need():
    x = sym.var("x", shape=(8,))
    ws = [sym.var(f"w{k}", shape=(8,)) for k in range(20)]
    y = x
    for w in ws:
        y = sym.tanh(y * w)
    every = grad(sym.sum(y), ws)
    text = why(every[-1], every)
    assert text.startswith(f"{len(Graph.of(every).nodes) - len(Graph.of(every[-1]).nodes)} of")
