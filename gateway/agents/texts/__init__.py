"""Texts that callers hear or read, by language, and the TwiML templates."""
