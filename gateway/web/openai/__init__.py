"""OpenAI's webhook."""
