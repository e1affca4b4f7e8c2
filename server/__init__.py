"""The doors: HTTP, worker, terminal, settings and the one composition root."""
