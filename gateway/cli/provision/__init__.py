"""Makes Twilio and OpenAI as the gateway needs them: a plan first, and nothing without a word."""
