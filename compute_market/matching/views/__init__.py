"""Reads for traders and the public: orders, fills, statements, books, prices and explanations."""
