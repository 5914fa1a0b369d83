"""Adapters that start and stop work on a node: process, container, fake."""
