"""The models of one agent's configuration. Pure."""
