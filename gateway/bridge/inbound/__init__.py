"""Calls in: media streams, SIP, the browser phone."""
