"""The simulated SIP connector and its REST API and webhooks."""
