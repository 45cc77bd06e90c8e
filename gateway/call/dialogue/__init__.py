"""Who speaks when: turns, barge-in, idle time, keys, images, the goodbye. Pure."""
