# ruff: noqa: D100, PLC3002, S102, SIM115  one expression, see below
# Loads %pkg into the kernel that runs this file, for IPython's `exec_files`: the kernel's environment needs
# nothing of ours, all comes from the files beside this one. It runs in the user's own namespace, so it is a
# single expression without a docstring: it binds no name there. The work is in attach.py.
(
    lambda os, path: exec(
        compile(open(path(os), encoding="utf-8").read(), path(os), "exec"),
        {"__name__": "__main__", "__file__": path(os)},
    )
)(__import__("os"), lambda os: os.path.join(os.path.dirname(os.path.abspath(__file__)), "attach.py"))
