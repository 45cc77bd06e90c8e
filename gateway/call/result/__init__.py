"""The result of a call: asked of the model when the conversation is over, and checked."""
