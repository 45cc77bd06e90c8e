"""Pictures, texts and messages between processes."""
