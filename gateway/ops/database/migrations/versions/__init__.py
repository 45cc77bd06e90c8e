"""Migrations. A published one is never changed; a new one only adds."""
