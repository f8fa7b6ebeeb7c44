"""Runs one regular expression and prints true or false; `form.regex` starts it with a time limit."""

import json
import re
import sys

if __name__ == "__main__":
    question = json.load(sys.stdin)
    search = re.fullmatch if question["whole"] else re.search
    print(json.dumps(search(question["pattern"], question["text"], question["flags"]) is not None))
