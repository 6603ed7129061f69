"""Import name, PyPI name and conda name of one thing."""
