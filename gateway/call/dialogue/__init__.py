"""The dialogue of a call: greeting, turns, barge-in, idle time, keys, images, goodbye. Pure."""
