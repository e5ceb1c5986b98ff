"""Creates workflows and prints what networks they define.

Arguments: the bundle's folder, then CONFIG=WORKFLOW_TYPE for each workflow. Prints JSON: config to
the names of its network's weights and the file that defines the network's class.
"""

import inspect
import json
import sys
from pathlib import Path

from monai.bundle import create_workflow

root = Path(sys.argv[1])
found = {}
for argument in sys.argv[2:]:
    config, _, workflow_type = argument.partition("=")
    workflow = create_workflow(
        config_file=str(root / "configs" / config),
        workflow_type=workflow_type,
        bundle_root=str(root),
    )
    network = workflow.network_def
    found[config] = {"file": inspect.getfile(type(network)), "weights": list(network.state_dict())}
print(json.dumps(found))  # noqa: T201
