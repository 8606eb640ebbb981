"""The passwords of the vectors, and how one is written."""
import json

PLAIN = "four unrelated gravel words"
# A ligature that NFKC takes apart, a letter of two bytes, one of three.
FOREIGN = "\ufb01ve h\u00f6lzerne St\u00fchle \u2603"
# More than the 72 bytes that bcrypt looks at; the cut is in the middle of a letter.
LONG = "x" * 71 + "\u00e4" + " and a tail that bcrypt does not see"


def vector(tool, scheme, password, hash, wrapped):
    print(json.dumps({"tool": tool, "scheme": scheme, "password": password, "hash": hash, "wrapped": wrapped}))
