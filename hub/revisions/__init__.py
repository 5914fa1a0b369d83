"""What a repository holds at a revision, and how a commit is made."""
