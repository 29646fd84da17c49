"""Ctrl-C ends the program at once, with one line and no half-written file, whatever it is doing."""

import os
import signal
import subprocess
import sys
import time

import pytest

READY = "print('ready', flush=True)\n"
MOMENTS = {
    "waiting": f"import time\n{READY}time.sleep(60)",
    "a loop": f"{READY}while True: pass",
    "compiled code": f"import numpy as np\na = np.ones((4000, 4000))\n{READY}\nwhile True: a @ a",
    "a destructor, where an exception is lost": (
        f"import time\nclass A:\n    def __del__(self):\n        {READY}        time.sleep(60)\nA()"
    ),
    "a callback of a weak reference": (
        "import time, weakref\nclass A: pass\n"
        f"def gone(_):\n    {READY}    time.sleep(60)\na = A()\nr = weakref.ref(a, gone)\ndel a"
    ),
    "a handler that takes everything": (
        f"import time\n{READY}while True:\n    try: time.sleep(60)\n    except BaseException: pass"
    ),
    "the end": (
        f"import atexit, time\ndef slow():\n    {READY}    time.sleep(60)\natexit.register(slow)\ninterrupt.leave(0)"
    ),
}
PROGRAM = "from flpjax.cli import interrupt\ninterrupt.watch()\n"
WRITING = """
import os
from pathlib import Path
from flpjax.cli import outputs
outputs.write(Path("first.json"), "done")
def write_slowly(self, mode):
    import io, time
    handle = io.open(self, mode)
    handle.write(b"half")
    handle.flush()
    print("ready", flush=True)
    time.sleep(60)
Path.open = write_slowly
outputs.write(Path("second.json"), "never")
"""


def pressed(program, folder, presses=1):
    """Exit code and stderr of a program that Ctrl-C is pressed in when it is ready, and how long it took to end."""
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM + program],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        assert started.stdout.readline() == "ready\n"
        begun = time.monotonic()
        for _ in range(presses):
            started.send_signal(signal.SIGINT)
        _, err = started.communicate(timeout=30)
        return started.returncode, err, time.monotonic() - begun
    finally:
        started.kill()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_press_ends_the_program(moment, tmp_path):
    code, err, seconds = pressed(MOMENTS[moment], tmp_path)
    assert (code, err) == (130, "interrupted; nothing was written\n")
    assert seconds < 20


def test_many_presses_are_as_one(tmp_path):
    assert pressed(MOMENTS["waiting"], tmp_path, presses=5)[:2] == (130, "interrupted; nothing was written\n")


def test_half_a_file_is_removed_and_a_whole_one_named(tmp_path):
    code, err, _ = pressed(WRITING, tmp_path)
    assert (code, err) == (130, "interrupted; written before: first.json\n")
    assert os.listdir(tmp_path) == ["first.json"]


def test_the_command_line_watches_from_its_first_import_on(tmp_path):
    program = (
        "import sys, runpy\nsys.argv = ['flpjax', '--version']\n"
        "class Slow:\n    def find_spec(self, name, *_):\n"
        "        if name == 'typer':\n            print('ready', flush=True)\n            import time; time.sleep(60)\n"
        "sys.meta_path.insert(0, Slow())\nrunpy.run_module('flpjax', run_name='__main__')"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert started.stdout.readline() == "ready\n"
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=30)
    assert (started.returncode, err) == (130, "interrupted; nothing was written\n")
