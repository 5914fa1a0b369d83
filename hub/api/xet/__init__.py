"""The Xet wire (docs/wire/xet.md): the content store that Hugging Face clients upload to."""
