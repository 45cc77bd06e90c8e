"""Ticks and crosses, each cross with the fix."""
