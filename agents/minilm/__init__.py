"""The embedded embeddings: the publisher's tokenizer, and the runtime around the fetched weights."""
