"""The ASGI application and what every endpoint shares."""
