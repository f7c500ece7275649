# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m backend`: worker, server, tasks, downloads and training from the command line."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    if sys.argv[1:2] == ["relay"]:
        from .relay.command import main  # alone: it also runs where the packages of the others are missing
    else:
        from .command_line import main
    # OpenMP's threads spin while they wait. Next to Blender or a busy core, small networks were thirty times slower;
    # sleeping costs a few percent on an idle machine. Read when torch loads, so it is set before.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # An operator that torch lacks for Apple's GPUs then runs on the CPU, slowly, instead of ending the job. Read when
    # torch loads; `tests/pretend_mps.py` knows of no such operator in any pipeline.
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    # Compiled kernels lie with the engine, not in the home folder, whose path a compiler may not be able to read.
    engine = Path(sys.prefix).parent
    if (engine / "runtime.json").is_file():
        os.environ.setdefault("WARP_CACHE_PATH", str(engine / "warp"))
    # What transformers says while it loads concerns programmers: which of two classes it takes without torchvision.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    sys.exit(main(sys.argv[1:]))
