"""The field's claims as experiments that anyone can run again."""
