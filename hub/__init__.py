"""Models, datasets and spaces: the hub."""
