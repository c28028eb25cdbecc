from mcpguard.audit.fastpath.python import FastPath as FastPath
