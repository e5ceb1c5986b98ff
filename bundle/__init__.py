"""Brain-tumour segmentation from any non-empty set of MRI modalities (SimMLM's mixture of modality
experts).
"""

__version__ = "0.11.0"
