"""Operators' actions on running calls, in this process or in the one that has the call."""
