"""Mutation testing: change the product by one token at a time and ask whether a test notices (ADR 0193)."""
