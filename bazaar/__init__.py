"""The roof: composes both houses; nobody below imports it."""
