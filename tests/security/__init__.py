"""Who may see and do what: tests that attack, and the matrix of all routes."""
