"""Speech, audio formats and the measurement of what was heard."""
