"""Calls out and warm transfers."""
