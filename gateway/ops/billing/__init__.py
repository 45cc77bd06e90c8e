"""What a call costs: prices and running bills."""
