"""What the pages share."""

import os

# One BLAS thread a process: with other sessions on the machine, two cost four to eight times as
# much. OpenBLAS reads this once, when numpy is first imported, which Streamlit leaves to us.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
