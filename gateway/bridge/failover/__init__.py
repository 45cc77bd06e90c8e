"""Snapshots of calls, take-over of SIP calls, and probes of the model."""
