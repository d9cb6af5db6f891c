"""Runs a program's work in rounds and prints what it took and what it found, as one line of JSON."""

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np


def measured(doc, load, variants):
    """Loads once, works once to warm up and then `--rounds` times; only the work is timed.

    `load(folder, dtype)` gives the data, and `variants` the work for each name: a function of the data whose
    result JSON can hold. The first variant is the default, each other one a flag of its name.
    """
    settings = parsed(doc, list(variants))
    dtype = np.float32 if settings.float32 else np.float64
    try:
        data = load(settings.folder, dtype)
        values = variants[settings.variant](data)
        cpu, wall = [], []
        for _ in range(settings.rounds):
            cpu_start, wall_start = time.process_time(), time.perf_counter()
            values = variants[settings.variant](data)
            cpu.append(time.process_time() - cpu_start)
            wall.append(time.perf_counter() - wall_start)
    except (OSError, EOFError, ValueError, np.linalg.LinAlgError) as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")
    threads = os.environ.get("OPENBLAS_NUM_THREADS")
    record = {
        "program": Path(sys.argv[0]).stem,
        "variant": settings.variant,
        "dtype": np.dtype(dtype).name,
        "rounds": settings.rounds,
        "cpu_s": cpu,
        "wall_s": wall,
        "peak_rss_bytes": peak_rss_bytes(),
        "numpy": np.__version__,
        "blas": blas(),
        "threads": int(threads) if threads else None,
        "values": values,
    }
    # A number that is not finite is an error here as it is on the other side.
    try:
        print(json.dumps(record, allow_nan=False))
    except ValueError:
        sys.exit(f"{Path(sys.argv[0]).name}: a value is not finite")


def parsed(doc, variants):
    default, *others = variants
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the .npy files are")
    parser.add_argument("--rounds", type=positive, default=3, help="timed rounds after one to warm up (default 3)")
    parser.add_argument("--float32", action="store_true", help="work in float32 instead of float64")
    parser.set_defaults(variant=default)
    for name in others:
        parser.add_argument(f"--{name}", dest="variant", action="store_const", const=name, help=f"the {name} route")
    return parser.parse_args()


def positive(text):
    rounds = int(text)
    if rounds < 1:
        raise argparse.ArgumentTypeError(f"{rounds} rounds; there must be at least 1")
    return rounds


def peak_rss_bytes():
    """Of the whole process, so the interpreter, NumPy and the loaded data are in it."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB


def blas():
    """What NumPy was built against; a wheel carries that very library with it."""
    found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{found.get('name', 'unknown')} {found.get('version', '')}".strip()
