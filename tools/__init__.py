"""What specialists can do: tools and the limits they work in."""
