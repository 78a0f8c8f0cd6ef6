"""A trained bundle behind a socket: a local page and REST."""
