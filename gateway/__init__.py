"""gpt-realtime on the telephone."""

__version__ = "0.1.0"
