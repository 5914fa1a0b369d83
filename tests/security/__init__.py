"""Rights and attacks: tests that attack the hub, and the matrix of all routes and callers."""
