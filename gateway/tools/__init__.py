"""What an agent can do besides talking; all of it off the audio path."""
