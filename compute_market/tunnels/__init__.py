"""The way into what runs in a lease: a process that joins clients' connections to agents' (docs/adr/0170)."""
