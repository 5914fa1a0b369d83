"""Products, providers, nodes and what they can supply."""
