"""Serves the OHIF viewer, and beside it, under the same origin, the DICOMweb service of an archive.

python -m tests.pacs.viewer OHIF_DIST ARCHIVE_ORIGIN PORT
"""

import json
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

SERVICE = "/dicom-web"
_KEPT = ("Accept", "Content-Type")


def config(origin: str) -> str:
    service = {
        "friendlyName": "archive", "name": "archive", "qidoRoot": origin + SERVICE,
        "wadoRoot": origin + SERVICE, "wadoUriRoot": origin + "/wado", "imageRendering": "wadors",
        "thumbnailRendering": "wadors", "enableStudyLazyLoad": True, "supportsWildcard": True,
        "supportsFuzzyMatching": False, "qidoSupportsIncludeField": False, "supportsReject": False,
        "omitQuotationForMultipartRequest": True, "bulkDataURI": {"enabled": True},
    }  # fmt: skip
    source = {
        "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
        "sourceName": "dicomweb",
        "configuration": service,
    }
    settings = {
        "routerBasename": "/", "extensions": [], "modes": [], "showStudyList": True,
        "dataSources": [source], "defaultDataSourceName": "dicomweb", "useSharedArrayBuffer": "FALSE",
        "disableConfirmationPrompts": True, "maxNumberOfWebWorkers": 2,
        "investigationalUseDialog": {"option": "never"},
    }  # fmt: skip
    return f"window.config = {json.dumps(settings)};"


class Viewer(SimpleHTTPRequestHandler):
    archive = ""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith(SERVICE):
            self._forward()
        elif self.path.partition("?")[0].endswith("app-config.js"):
            self._send(200, "text/javascript", config(f"http://{self.headers['Host']}").encode())
        else:
            if not Path(self.translate_path(self.path)).is_file():
                self.path = "/index.html"  # a page of the application, which knows by itself
            super().do_GET()

    def _forward(self) -> None:
        headers = {name: self.headers[name] for name in _KEPT if name in self.headers}
        try:
            with urlopen(Request(self.archive + self.path, headers=headers), timeout=120) as found:
                self._send(found.status, found.headers["Content-Type"], found.read())
        except HTTPError as error:
            self._send(error.code, "text/plain", error.read())

    def _send(self, status: int, kind: str | None, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind or "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *parts: object) -> None:
        pass


def main() -> None:
    folder, Viewer.archive, port = sys.argv[1:]
    Viewer.extensions_map = {
        **Viewer.extensions_map,
        ".wasm": "application/wasm",
        ".js": "text/javascript",
    }
    server = ThreadingHTTPServer(
        ("127.0.0.1", int(port)), lambda *parts: Viewer(*parts, directory=folder)
    )
    server.serve_forever()


if __name__ == "__main__":
    main()
