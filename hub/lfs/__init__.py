"""Large objects, known by sha256."""
