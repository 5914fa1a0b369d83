"""From what people uploaded to HTML that is safe to show: text and addresses in, markup out."""
