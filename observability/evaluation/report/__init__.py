"""What an experiment says: all its numbers computed once, and the files in which people and machines read them."""
