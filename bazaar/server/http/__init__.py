"""HTTP/1.1 for the bazaar's WSGI application."""
