"""The keys: what an operator types."""
