"""Database access of both houses beyond Django's ORM."""
