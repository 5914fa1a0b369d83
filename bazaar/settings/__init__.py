"""Settings, one module a setting of the stage."""
