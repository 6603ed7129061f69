"""Kill transactions and print what is left: ``python -m tests.faults --kills 200 [--bare 40]``.

Every trial has a seed; ``--replay TOOL SEED`` repeats one.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

from .disks import open_disk
from .lab import Lab, open_lab, stock
from .scenes import BARE, EXECUTABLES, OURS
from .trials import Result, Trials


def main() -> int:
    """Run the trials; 0 if none of ours failed."""
    arguments = _arguments()
    with TemporaryDirectory(dir=arguments.folder, prefix="faults-") as folder, _lab(Path(folder)) as lab:
        trials = Trials(lab)
        results: list[Result] = []
        if arguments.replay:
            tool, seed = arguments.replay
            results.append(trials.run(tool, int(seed)))
            print(results[0])
            _keep(trials, results[0], arguments.keep)
        else:
            print(f"seed {arguments.seed}", flush=True)
            with contextlib.suppress(KeyboardInterrupt):  # then the table has what there is so far
                results.extend(_kills(trials, arguments, Path(folder)))
            print(_table(results))
    return 1 if any(result.failures for result in results) else 0


def _lab(folder: Path) -> AbstractContextManager[Lab]:
    return open_lab(folder, stock(folder / "shelf", folder / "python"))


def _kills(trials: Trials, arguments: argparse.Namespace, folder: Path) -> Iterator[Result]:
    ours = arguments.tool or [*OURS, *filter(shutil.which, EXECUTABLES)]
    if arguments.power:
        with open_disk(folder, megabytes=400) as disk:
            yield from _run(Trials(trials.lab.on(disk)), ours, arguments.power, arguments)
        return
    yield from _run(trials, ours, arguments.kills, arguments)
    yield from _run(trials, _present(), arguments.bare * len(_present()), arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=40, help="how many transactions of ours to kill")
    parser.add_argument("--bare", type=int, default=0, help="how many of each bare tool")
    parser.add_argument("--power", type=int, default=0, help="instead cut the power of so many disks (Linux, root)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--tool", action="append", choices=[*OURS, *EXECUTABLES], help="only these of ours")
    parser.add_argument("--replay", nargs=2, metavar=("TOOL", "SEED"), help="repeat one trial")
    parser.add_argument("--folder", type=Path, help="where to work")
    parser.add_argument("--keep", type=Path, help="copy what failed trials left to this folder")
    parser.add_argument("-v", "--verbose", action="store_true", help="a line for each trial")
    return parser.parse_args()


def _present() -> list[str]:
    """The bare tools that are here; those on PATH only if they are."""
    return [name for name in BARE if name in {"bare uv", "bare pip"} or shutil.which(name.removeprefix("bare "))]


def _run(trials: Trials, tools: list[str], kills: int, arguments: argparse.Namespace) -> Iterator[Result]:
    """Trials until so many kills have hit; tools take turns."""
    turns = itertools.cycle(tools)
    hits = 0
    for number in itertools.count():
        if hits >= kills or not tools:
            return
        result = trials.run(next(turns), arguments.seed * 10_000 + number)
        hits += result.hit
        if result.failures or arguments.verbose:
            print(f"{time.strftime('%H:%M:%S')} {'FAILED ' if result.failures else ''}{result}", flush=True)
        if result.failures:
            _keep(trials, result, arguments.keep)
        yield result


def _keep(trials: Trials, result: Result, folder: Path | None) -> None:
    if folder is not None:
        print(f"    kept in {trials.keep(result, folder)}")


def _table(results: list[Result]) -> str:
    """A row for each tool and victim: kills that hit, and the states they left."""
    rows: dict[tuple[str, str], Counter[str]] = {}
    for result in results:
        if result.hit:
            victim = "" if result.scene.tool in BARE else result.kill.victim
            for key in ((result.scene.tool, victim), (_whole(result), "all")):
                row = rows.setdefault(key, Counter())
                row.update(["kills", result.state])
                row.update(["unfinished"] if result.unfinished else [])
                row.update(["revoked"] if result.revoked else [])
                row.update(["again"] if result.kill.recovery and result.unfinished else [])
                row.update(["others"] if result.kill.others else [])
                row.update(["failures"] if result.failures else [])
    columns = ("kills", "unfinished", "revoked", "again", "others", "before", "after", "neither", "failures")
    lines = [f"{'over':<16} {'killed':<7}" + "".join(f"{name:>11}" for name in columns)]
    for (tool, victim), row in sorted(rows.items(), key=lambda item: (item[0][0].startswith("bare"), item[0])):
        lines.append(f"{tool:<16} {victim:<7}" + "".join(f"{row[name]:>11}" for name in columns))
    late = sum(not result.hit for result in results)
    total = sum(result.seconds for result in results)
    lines.append("unfinished: a journal was left; again: of those, the recovery was killed too")
    lines.append("others: of the kills, with other programs at work in the environment; nothing of theirs may be lost")
    lines.append("revoked: done, but not on the disk yet when the power went, and so taken back as a whole")
    lines.append(f"{late} more came too late to hit; {total:.0f} s")
    return "\n".join(lines)


def _whole(result: Result) -> str:
    return "bare tools" if result.scene.tool in BARE else "jupyter_pkgmgr"


if __name__ == "__main__":
    sys.exit(main())
