"""A run's trajectory: each model call, tool call and node, as it happened."""
