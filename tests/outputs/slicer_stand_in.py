"""A stand-in for the module ``slicer``, as far as the script that opens a case needs it.

It has only those functions and methods of 3D Slicer that were found in its sources:
Base/Python/slicer/util.py, Libs/MRML/Core/vtkMRMLScalarVolumeDisplayNode.h and vtkMRMLVolumeNode.h,
Docs/developer_guide/script_repository/ and
Modules/Loadable/Sequences/Logic/vtkSlicerSequencesReader.cxx of github.com/Slicer/Slicer. Anything
else is an AttributeError or TypeError. It reads the real files, so that a wrong path, name or kind
of file fails, too.
"""

from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import slicerio

INFERNO, VIRIDIS = "vtkMRMLColorTableNodeFileInferno.txt", "vtkMRMLColorTableNodeFileViridis.txt"
PROPERTIES = {
    "loadVolume": {
        "name",
        "labelmap",
        "singleFile",
        "autoWindowLevel",
        "show",
        "center",
        "discardOrientation",
    },
    "loadSequence": {"name", "show", "colorNodeID"},
}


class Display:
    """A display node: what was set, by the name of the setting."""

    def __init__(self):
        self.window = None
        self.auto_window = True
        self.colours = "vtkMRMLColorTableNodeGrey"
        self.threshold = None
        self.apply_threshold = False
        self.visible = None
        self.fill = None

    def AutoWindowLevelOff(self):  # noqa: N802
        self.auto_window = False

    def SetWindowLevelMinMax(self, low: float, high: float):  # noqa: N802
        assert type(low) is type(high) is float
        assert not self.auto_window, "the automatic window would win"
        self.window = (low, high)

    def SetAndObserveColorNodeID(self, identifier: str):  # noqa: N802
        assert identifier in (INFERNO, VIRIDIS)
        self.colours = identifier

    def SetThreshold(self, low: float, high: float):  # noqa: N802
        self.threshold = (low, high)

    def ApplyThresholdOn(self):  # noqa: N802
        self.apply_threshold = True

    def SetVisibility(self, visible: bool):  # noqa: N802
        self.visible = visible

    def SetOpacity2DFill(self, opacity: float):  # noqa: N802
        self.fill = opacity


class Node:
    def __init__(self, voxels=None, affine=None, path=None):
        self.voxels, self.affine, self.path, self.name, self.display = (
            voxels,
            affine,
            path,
            None,
            Display(),
        )

    def SetName(self, name: str):  # noqa: N802
        self.name = name

    def GetDisplayNode(self):  # noqa: N802
        return self.display

    def CopyOrientation(self, node):  # noqa: N802
        self.affine = node.affine


class Sequence:
    def __init__(self, nodes):
        self.nodes = nodes

    def GetNumberOfDataNodes(self):  # noqa: N802
        return len(self.nodes)

    def GetNthDataNode(self, index: int):  # noqa: N802
        return self.nodes[index]


class Slicer:
    """Stands for the module ``slicer``; remembers what is in the scene, in the order of opening."""

    def __init__(self):
        self.scene = []
        self.layers = None
        names = (
            "loadVolume",
            "loadSequence",
            "loadSegmentation",
            "arrayFromVolume",
            "addVolumeFromArray",
        )
        functions = {name: getattr(self, f"_{name}") for name in (*names, "setSliceViewerLayers")}
        self.module = SimpleNamespace(
            util=SimpleNamespace(**functions),
            mrmlScene=SimpleNamespace(RemoveNode=self.scene.remove),
        )

    def _opened(self, function, filename, properties):
        assert type(filename) is str
        assert set(properties) <= PROPERTIES[function]
        assert properties["show"] is False, "each image would flash up"
        try:
            return nib.load(filename)
        except (nib.filebasedimages.ImageFileError, EOFError) as error:
            raise RuntimeError(f"Failed to load node from file: {filename}") from error

    def _add(self, node):
        self.scene.append(node)
        return node

    def _loadVolume(self, filename, properties):  # noqa: N802
        image = self._opened("loadVolume", filename, properties)
        assert properties["singleFile"] is True, (
            "files with similar names would be taken for slices"
        )
        assert image.ndim == 3, "Slicer opens 4D files as sequences only"
        return self._add(Node(np.asanyarray(image.dataobj).T, image.affine, Path(filename)))

    def _loadSequence(self, filename, properties):  # noqa: N802
        image = self._opened("loadSequence", filename, properties)
        assert image.ndim == 4
        nodes = [
            Node(volume.T, image.affine)
            for volume in np.moveaxis(np.asanyarray(image.dataobj), 3, 0)
        ]
        return self._add(Sequence(nodes))

    def _loadSegmentation(self, filename):  # noqa: N802
        assert filename.endswith(".seg.nrrd")
        return self._add(
            Node(slicerio.read_segmentation(filename)["voxels"].T, path=Path(filename))
        )

    def _arrayFromVolume(self, node):  # noqa: N802
        return node.voxels

    def _addVolumeFromArray(self, narray, ijkToRAS=None, name=None, nodeClassName=None):  # noqa: N802, N803
        assert ijkToRAS is nodeClassName is None
        node = self._add(Node(narray.copy(), np.eye(4)))
        node.SetName(name)
        return node

    def _setSliceViewerLayers(self, background, foreground, foregroundOpacity, fit):  # noqa: N802, N803
        name = {node: node.name for node in self.scene}
        self.layers = (name.get(background), name.get(foreground), foregroundOpacity, fit)

    def node(self, name):
        (node,) = [node for node in self.scene if node.name == name]
        return node

    def names(self):
        return [node.name for node in self.scene]
