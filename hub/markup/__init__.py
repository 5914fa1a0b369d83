"""Rendering of users' texts as safe HTML: Markdown, and source code with colours."""
