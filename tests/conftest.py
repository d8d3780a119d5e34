"""For all tests: small products of matrices on several threads spend their time waiting.

With other programs on the same two cores, one second becomes a hundred.
"""

import os

from threadpoolctl import threadpool_limits

threadpool_limits(1)  # of what a plugin of pytest's has loaded already
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
