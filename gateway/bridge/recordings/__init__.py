"""Recordings of running calls."""
