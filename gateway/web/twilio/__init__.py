"""Twilio's webhooks and Media Streams."""
