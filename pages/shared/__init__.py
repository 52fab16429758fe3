"""What the pages share."""

import numpy as np  # noqa: F401  # only a library that is loaded can be limited
import threadpoolctl

from pages.shared.prompt_answers import send_at_once

# One BLAS thread for the whole process: with other sessions on the machine, two cost four to eight times
# as much. OPENBLAS_NUM_THREADS would come too late: by then a page, or Streamlit, has imported numpy.
threadpoolctl.threadpool_limits(1, user_api="blas")

send_at_once()
