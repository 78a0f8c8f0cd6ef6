"""Files of the trade, each turned into the table that it stands for: a row an image."""
