"""The caller's end of the call: media stream or SIP leg. Pure."""
