"""Runs one workflow as the unit tests of the model zoo do.

Its argument is JSON: what ConfigWorkflow is made from.
"""

import json
import sys
import warnings

from monai.bundle import ConfigWorkflow

warnings.filterwarnings("error", message=".*deprecated since version")

workflow = ConfigWorkflow(**json.loads(sys.argv[1]))
workflow.initialize()
missing = workflow.check_properties()  # raises KeyError for some that are missing
if missing != []:
    sys.exit(f"missing or misplaced properties: {missing}")
workflow.run()
workflow.finalize()
