"""Safe HTML of uploaded content: text and addresses in, markup out."""
