"""What in a server's words works against its user: definitions, instructions, and what tools bring.

    text.py        one reading of a text: folded, decoded, with the way back to the original
    encodings.py   what of a text has to be decoded first
    spacing.py     words that are not parted by blanks
    lexicon.py     a reading as concepts, one letter each, in several languages
    definition.py  a definition as its texts
    neighbours.py  what other servers list, by what a name may be taken for
    detectors/     one threat a file: rules over concepts and texts, and structure
    score.py       signals add up to allow, review or block

Nothing here reads a file or a clock. A detector is one file in `detectors/`, a row in
`DETECTORS` there, and `fixtures/scan/<id>/{bad,good}.jsonl`.
"""
