"""Records of calls: built from call events, kept, archived and streamed."""
