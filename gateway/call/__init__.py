"""The mind of a call. Pure: told what happened and when, it answers what should be done."""
