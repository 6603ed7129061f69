"""What the extension costs a Jupyter server's start: its import, over that of jupyter_server alone.

Each round is a fresh process that has imported jupyter_server, and clocks what comes on top. The least counts, since
nothing makes an import faster than it is; processor time is what a busy machine doesn't blur. Run it with::

    python benchmarks/import_time.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import subprocess
import sys

PROMISE = 50.0
"""Milliseconds."""
PROGRAM = """
from time import perf_counter, process_time
times = [(perf_counter(), process_time())]
import jupyter_server.serverapp, jupyter_server.extension.application
times.append((perf_counter(), process_time()))
import jupyter_pkgmgr; jupyter_pkgmgr._jupyter_server_extension_points()
times.append((perf_counter(), process_time()))
print(*(1000 * (after - before) for one, two in zip(times, times[1:]) for before, after in zip(one, two)))
"""


def measure() -> list[float]:
    """Milliseconds of a fresh process: jupyter_server by wall clock and processor, then what we add to each."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    least = [min(values) for values in zip(*(measure() for _ in range(rounds)), strict=True)]
    for place, clock in enumerate(("wall clock", "processor")):
        alone, ours = least[place], least[place + 2]
        print(f"{clock}: jupyter_server alone {alone:.1f} ms, we add {ours:.1f} ms; promised: {PROMISE:.0f} ms at most")


if __name__ == "__main__":
    main()
