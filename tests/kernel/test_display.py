"""Displays in a terminal, where nothing can be updated; those in a notebook are tested in real kernels."""

from __future__ import annotations

import subprocess
import sys


def test_a_terminal_shows_first_and_last_states() -> None:
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "from jupyter_pkgmgr.kernel.display import Displays\n"
        "displays = Displays(InteractiveShell.instance())\n"
        "states = [('plan', 'planning'), ('plan', ''), ('plan', 'plan'), ('step', '0 %'), ('step', '5 %')]\n"
        "for key, text in [*states, ('step', '100 %'), ('end', 'done')]:\n"
        "    displays.show(key, {'text/plain': text, 'text/html': '<b>'})\n"
        "displays.show('end', {'text/plain': 'all done'})\n"
        "displays.finish()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["planning", "plan", "0 %", "100 %", "done", "all done"]
