"""What the gateway costs, and how well it sounds."""
