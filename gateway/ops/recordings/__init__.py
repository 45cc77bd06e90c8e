"""Recordings: written to a spool while a call runs, joined, stored and read again."""
