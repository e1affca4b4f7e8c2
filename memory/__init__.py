"""What lasts: checkpoints, threads, runs, events and trajectories."""
