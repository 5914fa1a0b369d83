"""How both houses talk to the database beyond Django's ORM."""
