"""What traders and the public read: orders, fills, statements, books, prices and explanations."""
