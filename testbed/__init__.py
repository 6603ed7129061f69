"""A small conda channel and a PyPI-style index on loopback, made of real packages."""
