"""Configuration of Twilio and OpenAI for the gateway: a plan first, changes on request."""
