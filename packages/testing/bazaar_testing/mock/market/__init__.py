"""The market of a test: its clock stands still until it is moved, its machines exist only as rows."""
