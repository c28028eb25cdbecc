"""What a person sees of a running session and may change in it, from another terminal.

`places` says where sockets are and who may use them, `socket` answers on one beside a session,
`operations` is the table of what can be asked, `client` asks, `kill` is the switch that ends
everything. `governor` is the live state behind the stages, which `counting` counts for and `worker`
asks the store for, beside the messages.
"""
