"""Delivery of events to the operator's system: signed, durable, in order for each call."""
