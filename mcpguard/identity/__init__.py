"""Keys: made, kept, opened. What a key says about anything is for the rooms above."""
