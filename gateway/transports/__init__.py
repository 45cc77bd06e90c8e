"""Sockets and HTTP clients towards both ends of a call."""
