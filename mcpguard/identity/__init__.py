"""Keys: made, kept, opened, and how who holds one proves it. What else is signed is above."""
