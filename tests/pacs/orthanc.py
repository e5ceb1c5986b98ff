"""Runs commands beside an Orthanc of their own, in a network that nothing else can see.

    unshare --net python -m tests.pacs.orthanc FOLDER < commands.json

Orthanc listens on all addresses, whatever it is told; so there is a network namespace in which
there is nothing but loopback. Reads a list of commands as JSON and prints a list of ``[status,
output]``. ``{archive}`` in a command is the DICOMweb service, ``{dimse}`` the application entity.
"""

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

HTTP, DIMSE = 8042, 4242
PLACES = {"archive": f"http://127.0.0.1:{HTTP}/dicom-web", "dimse": f"ORTHANC@127.0.0.1:{DIMSE}"}
PLUGIN = "libOrthancDicomWeb.so"
PROGRAM = next((p for p in ("/usr/sbin/Orthanc", "/usr/bin/Orthanc") if Path(p).exists()), None)
_UP, _GET, _SET = 0x1 | 0x40, 0x8913, 0x8914  # IFF_UP | IFF_RUNNING, SIOCGIFFLAGS, SIOCSIFFLAGS


def run_beside(folder: Path, commands: list[list[str]], limit_s: float = 300) -> list:
    """Run commands in a namespace with Orthanc; from any process that may make one."""
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-m", "tests.pacs.orthanc", str(folder)],
        input=json.dumps(commands), capture_output=True, text=True, timeout=limit_s, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def can_run() -> bool:
    if PROGRAM is None:
        return False
    return subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode == 0


def main() -> None:
    folder, commands = Path(sys.argv[1]), json.load(sys.stdin)
    folder.mkdir(parents=True, exist_ok=True)
    loopback_up()
    config = folder / "orthanc.json"
    config.write_text(json.dumps(_config(folder)))
    with (folder / "orthanc.log").open("wb") as log:
        server = subprocess.Popen([PROGRAM, str(config)], stdout=log, stderr=log)
        try:
            _await_answer(server)
            sys.stdout.write(json.dumps([_run(command) for command in commands]) + "\n")
        finally:
            server.terminate()
            server.wait(30)


def _config(folder: Path) -> dict:
    known = {name: [name, "127.0.0.1", 11112] for name in ("SIMMLM", "OTHER")}
    return {
        "Name": "test", "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"),
        "HttpPort": HTTP, "DicomPort": DIMSE, "DicomAet": "ORTHANC", "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False, "DicomModalities": known, "DicomAlwaysAllowStore": True,
        "Plugins": [str(path) for root in ("/usr/share/orthanc/plugins", "/usr/lib/orthanc")
                    for path in Path(root).glob(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }  # fmt: skip


def _run(command: list[str]) -> list:
    parts = command
    for name, place in PLACES.items():
        parts = [part.replace(f"{{{name}}}", place) for part in parts]
    done = subprocess.run(parts, capture_output=True, text=True, check=False)
    return [done.returncode, done.stdout + done.stderr]


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        flags = struct.unpack("16sh", fcntl.ioctl(link, _GET, struct.pack("16sh", b"lo", 0))[:18])[
            1
        ]
        fcntl.ioctl(link, _SET, struct.pack("16sh", b"lo", flags | _UP))


def _await_answer(server: subprocess.Popen, limit_s: float = 60) -> None:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        assert server.poll() is None, "Orthanc ended"
        try:
            with urlopen(f"http://127.0.0.1:{HTTP}/system", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("Orthanc does not answer")


if __name__ == "__main__":
    os.environ.pop("http_proxy", None)
    main()
