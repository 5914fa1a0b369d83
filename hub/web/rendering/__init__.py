"""From what people uploaded to HTML that is safe to show. Pure functions: text and addresses in, markup out."""
