"""db-loader: loads a file in steps, with progress and resource use, and starts what follows: load.py JOB-ID"""

import os
import random
import subprocess
import sys
import time

import monitoring_sdk as m

ROWS = 10000
HERE = os.path.dirname(os.path.abspath(__file__))
job = sys.argv[1]
m.init("db-loader")
bad_step = random.randrange(20) if random.random() < 0.2 else None

with m.span("load_data"):
    for step in range(20):
        with m.span("insert_batch"):
            time.sleep(random.uniform(0.05, 0.25))
            if step == bad_step:
                m.log_event("error", "Constraint violated", {"table": "orders", "row": step * ROWS // 20})
                m.log_progress(job, step * 5, "failed")
                raise SystemExit("constraint violated")
        rows = (step + 1) * ROWS // 20
        m.log_progress(job, (step + 1) * 5 - 1, "running", current=rows, total=ROWS)
        m.log_metric("rows_loaded", ROWS // 20, "rows", {"table": "orders"})
        m.log_resource(cpu=random.uniform(20, 90), memory=random.uniform(200, 400))
    if random.random() < 0.3:
        m.log_event("warning", "Slow index", {"table": "orders"})
    for command in filter(None, os.environ.get("DEMO_NEXT", "").split("\n")):
        subprocess.run(command.split("\t"), env=m.child_env(), check=False)
    m.log_progress(job, 100, "completed", current=ROWS, total=ROWS)
    m.log_event("info", "Data loaded, 10,000 rows inserted")
