"""What a person sees of a running session and may change in it, from another terminal.

`places` says where sockets are and who may use them, `socket` answers on one beside a session,
`operations` is the table of what can be asked, `client` asks, `kill` is the switch that ends
everything, `blocks` is what is blocked while none runs, too. Nothing here is on a message's way.
"""
