"""The answers of this dialect: a struct for each (docs/wire/huggingface.md)."""
