"""The Hugging Face wire."""
