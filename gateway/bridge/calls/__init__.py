"""Running calls: carriers, model connections, services and the registry."""
