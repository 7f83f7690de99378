"""MXNet's classic program on graphc: a perceptron as a symbol, bound to arrays, trained by hand on handwritten digits.

    python examples/mxnet_symbols.py

What says `mx.sym` in MXNet's tutorials says `sym` here. Nothing is declared but the layers: their parameters are made
and typed by `simple_bind`, from the shape of the data alone.
"""

from pathlib import Path

import numpy as np

from graphc import sym

BATCH, EPOCHS, RATE, MOMENTUM = 64, 20, 0.1, 0.9

data = np.load(Path(__file__).parent / "data" / "digits.npz")
images, labels = data["images"].reshape(-1, 64).astype(np.float32) / 16, data["labels"].astype(np.float32)
random = np.random.default_rng(0)
held_out, rest = np.split(random.permutation(len(images)), [len(images) // 5])

# -- the symbol ---------------------------------------------------------------------------------------

net = sym.var("data")
net = sym.FullyConnected(net, num_hidden=128, name="fc1")
net = sym.BatchNorm(net, fix_gamma=False, name="bn1")
net = sym.Activation(net, act_type="relu", name="relu1")
net = sym.FullyConnected(net, num_hidden=10, name="fc2")
net = sym.SoftmaxOutput(net, name="softmax", normalization="batch")

print("arguments:", *net.list_arguments())
print("auxiliary states:", *net.list_auxiliary_states())
arguments, outputs, states = net.infer_shape(data=(BATCH, 64))
print("shapes:", *arguments, "->", *outputs)

# -- the executor -------------------------------------------------------------------------------------

requests = {name: "null" if name in ("data", "softmax_label") else "write" for name in net.list_arguments()}
executor = net.simple_bind(grad_req=requests, type_dict={"data": "float32"}, data=(BATCH, 64))
for name, array in executor.arg_dict.items():
    if name.endswith("weight"):
        array[:] = random.standard_normal(array.shape) * np.sqrt(2 / array.shape[1])
    if name.endswith("gamma"):
        array[:] = 1
executor.copy_params_from({}, {"bn1_moving_var": np.ones(128)})

# -- training: stochastic gradient descent with momentum ----------------------------------------------

velocity = {name: np.zeros_like(gradient) for name, gradient in executor.grad_dict.items()}
evaluate = executor.reshape(allow_up_sizing=True, data=(len(held_out), 64), softmax_label=(len(held_out),))
for epoch in range(1, EPOCHS + 1):
    order = random.permutation(rest)
    for batch in np.split(order[: len(order) // BATCH * BATCH], len(order) // BATCH):
        executor.forward(is_train=True, data=images[batch], softmax_label=labels[batch])
        executor.backward()
        for name, gradient in executor.grad_dict.items():
            velocity[name] = MOMENTUM * velocity[name] - RATE * gradient
            executor.arg_dict[name] += velocity[name]
    if epoch % 5 == 0:
        (probabilities,) = evaluate.forward(data=images[held_out])  # on the very parameters, in another batch size
        accuracy = np.mean(probabilities.argmax(axis=1) == labels[held_out])
        print(f"epoch {epoch:2}  held-out accuracy {accuracy:.2%}")

assert accuracy > 0.9

# -- looking inside -----------------------------------------------------------------------------------

print("\nwhat a forward pass computes:")
evaluate.set_monitor_callback(lambda name, value: print(f"  {name:16} mean {value.mean():+.3f}"))
evaluate.forward()
features = net.get_internals()["relu1_output"]
print("features of one image:", features.infer_shape(data=(1, 64))[1])
