"""Who may call what, how often: pure rules over what was proved and observed."""
