"""What the extension costs a Jupyter server's start: its import, over that of jupyter_server alone.

Fresh processes, one with and one without in turn; the least of each counts, since nothing makes an import faster
than it is. Processor time is what a machine that does other things as well doesn't blur. Run it with::

    python benchmarks/import_time.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import subprocess
import sys

PROMISE = 50.0
"""Milliseconds."""
SERVER = "import jupyter_server.serverapp, jupyter_server.extension.application"
EXTENSION = "import jupyter_pkgmgr; jupyter_pkgmgr._jupyter_server_extension_points()"
CLOCK = (
    "import time; w, p = time.perf_counter(), time.process_time(); {};"
    "print(1000 * (time.perf_counter() - w), 1000 * (time.process_time() - p))"
)


def measure(program: str) -> tuple[float, float]:
    """The milliseconds that a fresh process takes for this program: wall clock and processor."""
    command = [sys.executable, "-c", CLOCK.format(program)]
    wall, processor = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(wall), float(processor)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    without, with_it = [], []
    for _ in range(rounds):
        without.append(measure(SERVER))
        with_it.append(measure(f"{SERVER}; {EXTENSION}"))
    for place, clock in enumerate(("wall clock", "processor")):
        alone, ours = (min(pair[place] for pair in pairs) for pairs in (without, with_it))
        print(
            f"{clock:11} jupyter_server alone {alone:6.1f} ms, with jupyter_pkgmgr {ours:6.1f} ms:"
            f" {ours - alone:+.1f} ms; promised: at most {PROMISE:.0f} ms"
        )


if __name__ == "__main__":
    main()
