"""The answers of the market's API: a struct for each, made from the rows of the market's rooms."""
