"""Images, sources, splits, augmentation and the loader."""
