"""Pictures of callers: decoded in a process of its own, with bounds on memory, time and bytes."""
