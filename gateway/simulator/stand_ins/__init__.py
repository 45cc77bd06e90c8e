"""Stand-ins for the systems behind the example agents: small servers with a little data."""
