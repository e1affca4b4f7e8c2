"""Who: specialists, and the models they speak with."""
