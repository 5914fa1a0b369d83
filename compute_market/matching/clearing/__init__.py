"""How the command log is worked off: matched by the engine, and settled batch by batch."""
