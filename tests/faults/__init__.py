"""Fault injection: transactions that are killed at random moments, and what is left of the environment."""
