"""Simulated far ends of a call: they share the wire formats with the gateway, and no logic."""
