"""Everything that lasts, on core Redis types; the only package that imports redis."""
