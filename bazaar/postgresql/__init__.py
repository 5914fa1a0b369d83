"""Django's PostgreSQL, with a cheaper way to tell whether a kept connection still stands."""
