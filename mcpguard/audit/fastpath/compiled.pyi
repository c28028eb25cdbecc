from typing import Literal

from mcpguard.audit.fastpath.python import FastPath as FastPath

HASHES: Literal["OpenSSL", "hashlib"]
