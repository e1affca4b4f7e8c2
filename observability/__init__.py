"""What is seen: spans and trajectories."""
