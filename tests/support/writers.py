"""Processes that write a model file, and what stands beside it."""

import os
import subprocess
import sys

import pytest
from support.model_files import ROOT

from rewriter.saved.writing.replace import replacing

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX alone")

WRITER = """if True:
    import os, sys, time
    from pathlib import Path
    from rewriter.saved.writing.replace import replacing
    with replacing(Path(sys.argv[1])) as temporary:
        temporary.write_text("half")
        print("ready", flush=True)
        time.sleep(60)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def replace(target, text, **how):
    with replacing(target, **how) as temporary:
        temporary.write_text(text)


def start_writer(target):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(target)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert writer.stdout.readline() == b"ready\n"
    return writer


def stop(writer, number):
    writer.send_signal(number)
    writer.wait()
    writer.stdout.close()
    return writer.returncode
