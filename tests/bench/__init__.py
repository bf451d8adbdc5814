"""Costs as ratios; on one thread, since a thread that waits for others spins and is counted."""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
