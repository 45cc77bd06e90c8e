"""Sound: G.711, the exact 1:3 resampler, framing, recordings and tones. Pure."""
