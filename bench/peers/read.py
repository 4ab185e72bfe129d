"""Reads the machine-readable zones of photos with another reader, for `./dev bench verify`.

    python read.py NAME LIST

LIST holds a path per line. Prints one JSON line per photo, {"lines": [...], "cpu_ms": ..., "wall_ms": ...}, and at the end
{"version": ..., "peak_mib": ...}. CPU time and memory include processes that the reader starts, such as tesseract.
"""

import json
import os
import re
import resource
import sys
import time
from importlib import metadata

LENGTHS = {30, 36, 44}


def mrz_lines(texts):
    """The texts that have the look of a zone's lines, from top to bottom; spaces are the recogniser's own."""
    lines = [re.sub(r"\s", "", text).upper().replace("«", "<<").replace("＜", "<") for text in texts]
    return [line for line in lines if len(line) in LENGTHS and re.fullmatch(r"[A-Z0-9<]+", line)]


def rapidocr():
    from rapidocr import RapidOCR

    engine = RapidOCR(params={
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        "Global.log_level": "error",
    })
    return lambda path: mrz_lines(engine(path).txts or ())


def passporteye():
    from passporteye import read_mrz

    def read(path):
        found = read_mrz(path)
        return (found.aux["raw_text"] if "raw_text" in found.aux else found.aux["text"]).split() if found else []

    return read


def fastmrz():
    from fastmrz import FastMRZ

    engine = FastMRZ()

    def read(path):
        found = engine.get_details(path, include_checkdigit=False)
        return (found.get("mrz_text") or "").split() if isinstance(found, dict) else []

    return read


READERS = {"rapidocr": rapidocr, "passporteye": passporteye, "fastmrz": fastmrz}


def cpu():
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def main():
    name, listing = sys.argv[1:]
    # What the readers print is theirs.
    out, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr
    read = READERS[name]()
    with open(listing, encoding="utf-8") as paths:
        photos = [line.rstrip("\n") for line in paths]
    read(photos[0])  # Whatever is loaded on first use is not a page's cost.
    for path in photos:
        begun, spent = time.monotonic(), cpu()
        try:
            lines = read(path)
        except Exception as error:  # A reader that breaks on a photo has not read it.
            print(f"{path}: {error!r}", file=sys.stderr)
            lines = []
        took = {"cpu_ms": 1e3 * (cpu() - spent), "wall_ms": 1e3 * (time.monotonic() - begun)}
        print(json.dumps({"lines": lines, **took}), file=out, flush=True)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"version": metadata.version(name), "peak_mib": peak / 1024}), file=out, flush=True)


if __name__ == "__main__":
    main()
