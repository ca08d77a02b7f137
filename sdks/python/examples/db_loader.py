"""The brief's script in Python: python3 db_loader.py FILE. Called by another program, it continues that one's trace."""

import sys

import monitoring_sdk as monitoring

monitoring.init("db-loader")
with monitoring.span("load_data"):
    monitoring.log_event("info", "Data loaded", {"file": (sys.argv + ["orders.csv"])[1]})
    monitoring.log_metric("rows_loaded", 10000, "rows")
    monitoring.log_resource(cpu=42.5, memory=310)
