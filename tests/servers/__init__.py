"""Real servers for tests: each started on a free port or socket, stopped by its process id."""
