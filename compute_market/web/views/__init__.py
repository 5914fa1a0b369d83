"""The market's doors for people, one module a subject."""
