"""A conversation in the terminal: a client over HTTP like any other, and what a person sees of it."""
