"""The live state behind a session's stages, and how a store shares it.

`governor` keeps what the stages ask, which `stages` makes and counts for; `observing` knows who
stands where and what is blocked, `approvals` who waits for a person, `standings` what all proxies
share; `worker` asks the store, beside the messages.
"""
