"""One Realtime session: turns, responses, conversation, hosted MCP."""
