from typing import Literal

from mcpguard.audit.fastpath.python import FastPath as FastPath
from mcpguard.audit.fastpath.python import perfect as perfect

HASHES: Literal["OpenSSL", "hashlib"]
