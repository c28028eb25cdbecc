from mcpguard.scan.threats.classifier.fastpath.python import divided as divided
from mcpguard.scan.threats.classifier.fastpath.python import wording as wording
from mcpguard.scan.threats.classifier.fastpath.python import worthy as worthy
