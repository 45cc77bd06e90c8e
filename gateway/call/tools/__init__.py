"""Function calls, hosted MCP and approvals within one call. Pure."""
