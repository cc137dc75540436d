"""Read a Parquet file with pyarrow, and say what is in it.

Run by tests/judges/test_parquet.py in .venv-judges: python parquet_rows.py FILE
It prints one JSON object: the types of the columns, and the rows with every value as text.
"""

import json
import sys

import pyarrow.parquet

table = pyarrow.parquet.read_table(sys.argv[1])
types = {field.name: str(field.type) for field in table.schema}
rows = [{name: None if value is None else str(value) for name, value in row.items()} for row in table.to_pylist()]
sys.stdout.write(json.dumps({"types": types, "rows": rows}) + "\n")
