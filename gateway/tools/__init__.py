"""Tools of agents: functions and MCP servers, all of them off the audio path."""
