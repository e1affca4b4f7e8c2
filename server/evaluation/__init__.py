"""Running evaluations: experiments on the queue, live or recorded, and the crew's own examples."""
