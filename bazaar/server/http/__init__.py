"""A web server for WSGI applications, with one event loop and a pool of threads in each process.

The loop reads requests without blocking and gives only complete ones to the threads, so that a slow or idle
client costs a file descriptor and not a thread (docs/adr/0146-own-http-server.md).
"""
