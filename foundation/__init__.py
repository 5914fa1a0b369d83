"""Common ground below the houses: it knows no house, and every house may import it."""
