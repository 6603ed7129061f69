"""The main job on real input: ``%pkg install`` in a venv kernel and in a conda kernel."""
