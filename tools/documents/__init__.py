"""A workspace's documents: read, split, indexed, searched and quoted."""
