"""The simulated caller, their handset, and the processes around them."""
