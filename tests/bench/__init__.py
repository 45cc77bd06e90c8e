"""What a call costs, and how well it sounds: measured, not tested."""
