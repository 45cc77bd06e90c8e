"""Scenario files: schema, errors and faults."""
