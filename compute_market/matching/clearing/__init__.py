"""Processing of the command log: the engine matches the commands, and each batch is settled."""
