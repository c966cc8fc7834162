"""Runs a command on a pseudo-terminal of 80 columns and 24 rows, or $TEST_COLUMNS and $TEST_ROWS: its keyboard is our stdin, its screen our stdout."""

import fcntl
import os
import pty
import select
import struct
import sys
import termios

child, master = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", int(os.environ.get("TEST_ROWS", "24")), int(os.environ.get("TEST_COLUMNS", "80")), 0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])
sources = [0, master]
while master in sources:
    for source in select.select(sources, [], [])[0]:
        try:
            data = os.read(source, 65536)
        except OSError:
            # EIO: the last process has left the terminal.
            data = b""
        if data:
            os.write(1 if source == master else master, data)
        else:
            sources.remove(source)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
