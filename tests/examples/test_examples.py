"""Every example runs by itself and prints what a person came to see."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))

SHOWN = {
    "first_graph.py": ["digraph", "kernel 0", "[1. 3. 5.]"],
    "autodiff_chapter.py": [
        "2*x + 12*x**2",
        "[ 0.  4.  8. 12.]",
        "only output 0 needs it",
        "value: 3*n",
        "every claim above was checked",
    ],
    "ahead_of_time.py": [
        "int model(const double *x, double *out, int64_t n);",
        "wasm32",
        "a C program",
        "ctypes calls it",
    ],
    "control_flow.py": [
        "gradient = c / a",
        "a = 0 never ends: loop (control_flow.py:",
        "body(i, b):",
        "d prey / d parameters",
        "the cube root of 27 is 3.000000000000",
    ],
    "mxnet_symbols.py": ["softmax_label", "bn1_moving_var", "epoch 20", "held-out accuracy 9", "relu1_output"],
    "epoch.py": ["epoch 20", "all weights are the same: True", "held-out accuracy 9", "an epoch of 23 steps"],
    "states.py": ["epoch 20", "held-out accuracy 9", "updates 13 states"],
    "gaussian_process.py": ["negative log likelihood 62.8 -> -35", "noise 0.10", "largest error 0.04"],
    "digits.py": ["seed 2", "held-out", "kernels of the step", "call 0", "lanes i in", "before pruning", "NumPy"],
}


def test_every_example_is_listed():
    assert EXAMPLES == sorted(SHOWN)


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_runs_and_shows_its_point(example: str, tmp_path: Path):
    path = ROOT / "examples" / example
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    run = subprocess.run(
        [sys.executable, path], cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=300
    )
    assert run.returncode == 0, run.stderr
    missing = [line for line in SHOWN[example] if line not in run.stdout]
    assert not missing, f"{example} no longer prints {missing}:\n{run.stdout}"
