"""The market of a test: its clock stands still until it is moved, its machines are nothing but rows."""
