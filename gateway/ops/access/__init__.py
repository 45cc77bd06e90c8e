"""Operators: their tokens and roles, and the log of what they did."""
