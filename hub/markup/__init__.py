"""What people write, as HTML that is safe to show: Markdown, and source code with colours."""
