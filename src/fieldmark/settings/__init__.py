"""One frozen typed tree of settings, and how it is put together."""
