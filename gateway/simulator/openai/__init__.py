"""The simulated Realtime API."""
