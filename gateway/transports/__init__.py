"""The hands: sockets and HTTP towards both ends."""
