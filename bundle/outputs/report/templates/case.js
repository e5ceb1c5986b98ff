"use strict";
(async () => {
  const byId = (id) => document.getElementById(id);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const data = JSON.parse(byId("data").textContent);
  // Asked of a canvas of its own: one that gave no context cannot be asked again.
  if (!document.createElement("canvas").getContext("webgl2")) return;

  const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  const coloursOf = (table) => ({
    R: table.map(([, colour]) => rgb(colour)[0]),
    G: table.map(([, colour]) => rgb(colour)[1]),
    B: table.map(([, colour]) => rgb(colour)[2]),
    A: table.map(([value]) => (value ? 255 : 0)),
    I: table.map(([value]) => value),
    labels: table.map(([, , name]) => name),
  });
  const numbered = { labels: data.labels, decided: data.decided };
  const COLOURS = { image: "gray", labels: "gray", decided: "gray", entropy: "inferno", map: "viridis", signed: "warm" };

  try {
    byId("viewer").hidden = false;
    const viewer = new niivue.Niivue({
      backColor: [0, 0, 0, 1],
      crosshairGap: 5,
      crosshairWidth: 0.3,
      crosshairColor: [0.75, 0.8, 0.85, 0.7],
      dragAndDropEnabled: false,
      isNearestInterpolation: true,
      isRadiologicalConvention: true,
      loadingText: "",
      logLevel: "error",
      multiplanarShowRender: 0,
      sagittalNoseLeft: true,
    });
    await viewer.attachToCanvas(byId("canvas"));
    const layers = [];
    for (const volume of data.volumes) {
      const layer = await niivue.NVImage.loadFromBase64({
        base64: volume.data,
        name: (volume.name || "blank") + ".nii.gz",
        colormap: COLOURS[volume.kind],
        colormapNegative: volume.kind === "signed" ? "winter" : "",
        opacity: 0,
        cal_min: volume.low,
        cal_max: volume.high,
      });
      if (numbered[volume.kind]) layer.setColormapLabel(coloursOf(numbered[volume.kind]));
      layers.push(layer);
      viewer.addVolume(layer);
    }

    const chosen = () => {
      const radio = document.querySelector("input[name=image]:checked");
      return radio ? Number(radio.value) : data.first;
    };
    const show = () => {
      const background = chosen();
      layers.forEach((layer, index) => {
        const box = document.querySelector(`input[name=layer][value="${index}"]`);
        const range = document.querySelector(`input[data-opacity="${index}"]`);
        layer.opacity = index === background ? 1 : box && box.checked ? range.value / 100 : 0;
      });
      viewer.setVolume(layers[background], 0);
    };
    const tell = (location) => {
      const [x, y, z] = location.mm;
      const values = location.values
        .map((value, at) => ({ value: value.value, layer: layers.indexOf(viewer.volumes[at]) }))
        .filter(({ layer }) => layers[layer] && layers[layer].opacity > 0 && data.volumes[layer].name)
        .map(({ value, layer }) => {
          const { title, kind } = data.volumes[layer];
          if (numbered[kind]) {
            const [, , name] = numbered[kind].find(([number]) => number === Math.round(value)) || [];
            return kind === "labels" ? name || "no label" : `${title} ${name || "none"}`;
          }
          return `${title} ${kind === "image" ? Math.round(value) : value.toFixed(2)}`;
        });
      byId("readout").textContent = `${[x, y, z].map((part) => part.toFixed(0)).join(", ")} mm: ${values.join(", ")}`;
      all("input[data-axis]").forEach((slider) => {
        slider.value = Math.round(1000 * viewer.scene.crosshairPos[slider.dataset.axis]);
      });
    };
    viewer.onLocationChange = tell;

    for (const radio of all("input[name=image]")) radio.checked = Number(radio.value) === data.first;
    all("input[name=image], input[name=layer], input[data-opacity]").forEach((input) =>
      input.addEventListener("input", () => {
        show();
        viewer.createOnLocationChange();
      }));
    all("input[data-axis]").forEach((slider) =>
      slider.addEventListener("input", () => {
        viewer.scene.crosshairPos[slider.dataset.axis] = slider.value / 1000;
        viewer.drawScene();
        viewer.createOnLocationChange();
      }));
    document.querySelector(".controls").addEventListener("submit", (event) => event.preventDefault());
    show();
    viewer.scene.crosshairPos = viewer.mm2frac(data.start);
    viewer.drawScene();
    viewer.createOnLocationChange();
    byId("unavailable").hidden = true;
    document.body.dataset.viewer = "ready";
  } catch (error) {
    byId("viewer").hidden = true;
    document.body.dataset.viewer = "failed";
    throw error;
  }
})();
