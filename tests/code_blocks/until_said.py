"""Run a program that ends with Ctrl-C: until it has said something, then press it."""

import re
import signal
import subprocess
import sys
import threading

LIMIT_S = 60.0
INTERRUPTED = (0, 130, -signal.SIGINT)


def main(words: str, command: list[str]) -> int:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watch = threading.Timer(LIMIT_S, process.kill)
    watch.start()
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if re.search(words, said):
            process.send_signal(signal.SIGINT)
            break
    rest = process.stdout.read()
    code = process.wait()
    watch.cancel()
    sys.stdout.write(said + rest)
    return 0 if code in INTERRUPTED and re.search(words, said) else code or 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
