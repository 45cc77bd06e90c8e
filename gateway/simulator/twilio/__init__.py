"""The simulated carrier: calls, TwiML, REST API, media streams."""
