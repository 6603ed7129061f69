"""What could be installed: conda channels and PyPI-style indexes."""
