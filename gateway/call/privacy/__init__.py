"""Redaction of people's words before anybody but the model sees them."""
