"""Carries messages between a call's mind and its hands, and decides nothing."""
