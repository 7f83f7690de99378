"""MXNet 1.9, where it is installed: the other side of the files that graphc shares with it."""

import numpy as np
import pytest

RETIRED = "PZERO NZERO NINF PINF NAN NaN Inf alltrue sometrue mirr msort npv pmt ppmt pv rate round_ product"


@pytest.fixture(scope="session")
def mx():
    """The package; while it is imported NumPy has the names again that it looks up, and that NumPy 2 has no more."""
    with pytest.MonkeyPatch.context() as patch:
        for name in RETIRED.split():
            patch.setattr(np, name, np.any, raising=False)
        return pytest.importorskip("mxnet")
