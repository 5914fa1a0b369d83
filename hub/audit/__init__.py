"""The audit log for operators: the actor and time of each fact, written in the fact's transaction."""
