"""State shared between processes: memory, Redis, and encryption."""
