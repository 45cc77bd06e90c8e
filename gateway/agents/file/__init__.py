"""The agents file: YAML with line numbers, loaded and checked."""
