"""Lets monai.bundle.load build the network, and stores its predictions.

Arguments: the folder that holds the bundle's, a window of the fixture ``window``, how many modality
sets, and where the predictions go.
"""

import sys

import torch
from monai.bundle import load

models, window, n_sets, out = sys.argv[1:]
network = load(
    name="simmlm", bundle_dir=models, workflow_type="inference", source="github", device="cpu"
).eval()
given = torch.load(window)
with torch.inference_mode():
    logits = [
        network(given["image"] * present[:, None, None, None])
        for present in given["sets"][: int(n_sets)]
    ]
torch.save(logits, out)
