"""Cost of calls: prices and running bills."""
