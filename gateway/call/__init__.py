"""The call core, sans I/O: events and a clock reading in, commands and call events out. Pure."""
