"""The repository record, its names and who may do what with it."""
