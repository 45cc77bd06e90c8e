"""The far ends to practise with: they know the wires and nothing of the gateway's mind."""
