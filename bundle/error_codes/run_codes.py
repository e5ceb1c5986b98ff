"""What can be wrong with a command, its settings and weights, or where it runs and writes."""

CODES = {
    "E_BUSY": (
        "Another process writes to the output folder.",
        "Wait for it, or choose another folder.",
    ),
    "E_CALIBRATION": (
        "A calibration is missing, damaged, or of other weights or another task.",
        "Run `simmlm calibrate` with the weights in use, or set `calibration=none`.",
    ),
    "E_CLASSES": (
        "Cases have other classes than the network, or a class that training does not have.",
        "Use weights that were trained for these classes, or correct the cases.",
    ),
    "E_CLUSTER": (
        "A Ray cluster cannot be reached, has no room, or a machine of it lacks what is needed.",
        "Start it as docs/batch_ray.md says, with the same packages on all machines.",
    ),
    "E_DEMO": (
        "The demo could not segment its own cases.",
        "Read the reason in the message; it is one of the other codes.",
    ),
    "E_DEVICE": (
        "The device is not one of this machine.",
        "Use `auto`, `cpu`, or a `cuda:N` that is there.",
    ),
    "E_EXISTS": (
        "What would be replaced is a result of another input, or somebody else's file.",
        "Choose another folder, move the file away, or say `--overwrite` for results.",
    ),
    "E_EXPERTS": (
        "Experts to train or to start from are unknown, missing, doubled, or have no cases.",
        "Name those that exist and have cases, or run stage 1 first.",
    ),
    "E_EXTRA": (
        "What was asked for needs packages that are not installed.",
        "Install them by the command in the message.",
    ),
    "E_INSTALLATION": (
        "Configs and models do not lie beside the package.",
        "Install from a clone with `pip install -e .`, or run in an unpacked bundle.",
    ),
    "E_IO": (
        "The system refused to read or write a file of a case.",
        "Mend the cause that the message names.",
    ),
    "E_MEMORY": (
        "Memory ran out, or would.",
        "Close other programs, choose smaller windows or batches, or resample to 1 mm.",
    ),
    "E_NOT_FINITE": (
        "The network or a map has values that are no numbers.",
        "Look at the intensities of the images; try `amp=false` or `--device cpu`.",
    ),
    "E_NOT_SHARED": (
        "A machine of a cluster does not see the output folder.",
        "Choose one on a disk that all machines share, under the same path.",
    ),
    "E_OPTION": (
        "An option of a request to the server has a value that it cannot have.",
        "Correct the option, or leave it out.",
    ),
    "E_OUTPUT": (
        "The output cannot go where it should: no folder to write to, or one of others.",
        "Choose another folder or file name.",
    ),
    "E_OVERLAY": (
        "An overlay of a config cannot be used.",
        "Give a YAML file, or a name that the message lists.",
    ),
    "E_PHANTOM": (
        "Phantoms of this number, size, naming or modalities cannot be drawn.",
        "Correct the option that the message names.",
    ),
    "E_RECONCILE": (
        "A run lost a case, or counted one twice: a fault of the program.",
        "Report it; run the same command again, which does what is not done.",
    ),
    "E_REFERENCE": (
        "An exam reference is missing, damaged, of other weights or task, or has too few exams.",
        "Run `simmlm reference` with the weights in use, or set `exam_reference=none`.",
    ),
    "E_REPORT": (
        "A report cannot be made of what lies in an output folder.",
        "Segment the case again, or name the task of the results with `--task`.",
    ),
    "E_RESUME": (
        "A training would go on with other settings than it began with.",
        "Use the old settings, or another `--out`; `--start-from` takes the weights.",
    ),
    "E_ROI_SIZE": (
        "The window does not fit the network.",
        "Choose sizes that the message allows.",
    ),
    "E_SERVER": (
        "The server cannot be reached, or answers something that cannot be trusted.",
        "Check the URL, the token and the model; look at the server's log.",
    ),
    "E_SETTING": (
        "A setting has a value that it cannot have, or is no setting.",
        "Correct it; the settings stand at the top of each config.",
    ),
    "E_STATE": (
        "The state of a training is damaged or of another network.",
        "Delete the stage's `.state` and `.pt` to begin it again, or choose another `--out`.",
    ),
    "E_TASK": (
        "A task, or the file that declares it, cannot be used.",
        "Correct the file; docs/tasks.md says how.",
    ),
    "E_TIMEOUT": (
        "A case took longer than `--timeout` allows.",
        "Allow more, or look at what the case has that others do not; the others went on.",
    ),
    "E_UNEXPECTED": (
        "A case failed for a reason that nobody foresaw.",
        "Report it as a defect, with the lines of the log.",
    ),
    "E_USAGE": (
        "Options are missing, doubled, or contradict each other.",
        "See `--help` of the command.",
    ),
    "E_WEIGHTS": (
        "A file of weights is missing, damaged, or of another network.",
        "Copy or train them again; use the configuration that they were trained with.",
    ),
    "E_WEIGHTS_CHECKSUM": (
        "Weights differ from the checksum beside them, or it is missing.",
        "Fetch the file and its `.sha256` again; do not use it.",
    ),
    "E_WORKER_LOST": (
        "Processes that ran a case died each time, or all of a cluster did.",
        "Look for memory that ran out; run the case alone, or with fewer `--workers`.",
    ),
    "E_WRITE": (
        "A file could not be written; nothing half-written is left.",
        "Make room or permissions, then run again.",
    ),
}
"""Code to what is wrong, and what a user can do."""
