"""What a person sees of a running session and may change in it, from another terminal."""
