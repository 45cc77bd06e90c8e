"""Admission, rates, the circuit breaker and signed tokens."""
