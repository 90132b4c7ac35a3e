"""The first moments of a command."""

import signal
import subprocess
import sys

CTRL_C_WHILE_READING = """
import os, signal, sys
from caas_worker.__main__ import main

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == "caas_worker.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, CtrlC())
main()
"""


def test_ctrl_c_before_a_command_begins_is_no_traceback() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CTRL_C_WHILE_READING], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")


def test_commands_keep_their_own_ctrl_c() -> None:
    program = "import signal, sys; from caas_worker.__main__ import main; sys.argv[1:] = ['--version']\ntry: main()\n"
    program += "finally: assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
