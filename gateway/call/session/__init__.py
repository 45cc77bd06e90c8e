"""The model's session: opening, reconnecting, rolling over. Pure."""
