from __future__ import annotations
import sys, tempfile
from pathlib import Path
from trytond.config import config
config.set("database", "uri", "postgresql://")
from benchmarks.services import services
from benchmarks import field
from benchmarks.throughput import LOADS, throughput
from benchmarks.latency import latency
names = sys.argv[1].split(",")
loads = sys.argv[2].split(",")
n = int(sys.argv[3])
with tempfile.TemporaryDirectory() as f, services(Path(f)) as s:
    for name in names:
        c = getattr(field, name)
        for l in loads:
            try:
                if l == "latency":
                    print(name, l, latency(s, c, n), flush=True)
                else:
                    print(name, l, throughput(s, c, LOADS[l], n, 10), flush=True)
            except Exception as e:
                print(name, l, "FAILED", str(e)[-1500:])
        for p in Path(f).glob("*worker*.log"):
            t = p.read_text()
            if t and "-v" in sys.argv: print(p, t[-1500:])
