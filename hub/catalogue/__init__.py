"""The starter catalogue: well-known open models with true facts and stand-in weights; and fill for scale."""
