"""The live state behind a session's stages, and how a store shares it.

`governor` builds the stages and keeps what they ask; `counting` counts, `observing`
knows who stands where and what is blocked, `approvals` who waits for a person, `standings` what all
proxies share; `worker` asks the store, beside the messages.
"""
