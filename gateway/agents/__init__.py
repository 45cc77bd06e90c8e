"""Agents, routes, and the session and templates made from them."""
