"""The exchange on which GPU offers meet bids."""
