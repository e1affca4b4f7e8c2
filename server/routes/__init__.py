"""One resource a file, in the Agent Server's shapes."""
