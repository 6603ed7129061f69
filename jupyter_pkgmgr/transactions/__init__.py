"""A plan being applied: check, apply, verify."""
