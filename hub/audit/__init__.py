"""Who did what, and when: a record for operators, written with the fact itself."""
