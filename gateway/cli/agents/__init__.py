"""`gateway agents`: tools for whoever writes the agents file."""
