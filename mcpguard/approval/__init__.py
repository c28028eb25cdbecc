"""A person's yes to one call: what it is bound to, who may give it, when it is used up. Pure."""
