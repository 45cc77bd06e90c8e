"""Runs scenarios, judges them and reports."""
