"""The Xet content store's wire."""
