"""Carry out what the call core decides: sockets, REST requests and tasks of running calls."""
