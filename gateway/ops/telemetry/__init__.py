"""Metrics, logs, and what the process measures of itself."""
