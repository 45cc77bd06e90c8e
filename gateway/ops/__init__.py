"""Keeps the process safe and visible."""
