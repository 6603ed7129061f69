"""``python -m demo``: set up under ``.demo``, run the notebooks in real kernels, print them."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

import jupyter_pkgmgr

from .prepare import FRONT_END, NOTEBOOKS, Demo, DemoError, open_lab
from .server import ServerError, serve
from .show import run

PACKAGE = Path(jupyter_pkgmgr.__file__).parent


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--lab", action="store_true", help="open the notebooks in JupyterLab instead")
    parser.add_argument("--setup", action="store_true", help="only set up")
    parser.add_argument("--clean", action="store_true", help="remove what was set up")
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="where to set up (default: %(default)s)")
    options = parser.parse_args(argv)
    demo = Demo(options.folder.resolve())
    if options.clean:
        shutil.rmtree(demo.root, ignore_errors=True)
        return 0
    started = time.monotonic()
    try:
        demo.prepare()
        print(f"set up in {time.monotonic() - started:.1f} s, under {demo.root}\n", flush=True)
        if options.lab:
            return open_lab(demo)
        return 0 if options.setup else run_all(demo)
    except (DemoError, ServerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def run_all(demo: Demo) -> int:
    """Run the notebooks one after the other in kernels of one server; returns the exit code."""
    started = time.monotonic()
    failed = []
    with serve(demo.conda, demo.notebooks, environ=demo.environ, folder=demo.root) as server:
        for name, kernel in NOTEBOOKS.items():
            if name in FRONT_END and not (PACKAGE / FRONT_END[name]).is_file():
                print(
                    f"{name} is left out: it shows the panel, which isn't built (make front, with Node)\n", flush=True
                )
                continue
            print(f"{'═' * 100}\n{name}, in the kernel {kernel}\n{'═' * 100}\n", flush=True)
            executed = demo.root / "executed" / name
            executed.parent.mkdir(exist_ok=True)
            with server.kernel(kernel) as manager:
                if not run(demo.notebooks / name, manager, save=executed):
                    failed.append(name)
    print("─" * 100)
    verdict = f"{', '.join(failed)} did not go as expected" if failed else "all cells went as expected"
    print(f"{verdict} ({time.monotonic() - started:.1f} s)")
    print("make lab opens them in JupyterLab")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
