"""The lease's life: provision, meter, settle, end."""
