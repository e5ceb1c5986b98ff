"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const FULL = 2 ** data.modalities.length - 1, ROWS = 50, PATIENTS = 20;
  const COLUMNS = document.querySelectorAll("#cases thead th").length;

  // One object per row; a page of the list alone becomes elements.
  const rows = data.rows.map(([id, status, reason, set, warnings, entropy, files, ...volumes]) => ({
    id, status, reason, set, warnings, entropy, files, volumes,
    total: volumes.length ? volumes.reduce((sum, volume) => sum + volume, 0) : null,
    text: `${id} ${reason}`.toLowerCase(),
  }));
  const names = new Intl.Collator("en", { numeric: true });
  const bits = (set) => set.toString(2).replaceAll("0", "").length;
  const VALUES = {
    status: (row) => row.status,
    set: (row) => 100 * bits(row.set) + row.set,
    total: (row) => row.total,
    entropy: (row) => row.entropy,
    warnings: (row) => row.warnings,
  };
  data.labels.forEach((_, at) => { VALUES[`label-${at}`] = (row) => row.volumes[at] ?? null; });

  const element = (tag, text = "", classes = "") => {
    const made = document.createElement(tag);
    if (text !== "") made.textContent = text;
    if (classes) made.className = classes;
    return made;
  };
  const number = (value, digits) => element("td", value === null ? "" : value.toFixed(digits), "number");
  const beside = (id, ending) => `${encodeURIComponent(id)}/${encodeURIComponent(id + ending)}`;
  const titles = (set) => data.modalities.filter((_, at) => set & (1 << at)).join(", ");
  const named = (row) => {
    if (!(row.files & 1)) return element("span", row.id);
    const link = element("a", row.id);
    link.href = beside(row.id, "_report.html");
    return link;
  };

  const drawn = (row) => {
    const line = element("tr"), picture = element("td", "", "picture"), name = element("th");
    if (row.files & 2) {
      const image = element("img");
      image.loading = "lazy"; image.alt = ""; image.width = image.height = 58;
      image.src = beside(row.id, "_thumbnail.jpg");
      picture.append(image);
    }
    name.scope = "row";
    name.append(named(row));
    const [status, words] = data.statuses[row.status];
    line.append(picture, name, element("td", words, status === "failed" ? "bad" : ""));
    if (row.total === null) {
      const reason = element("td", row.reason);
      reason.colSpan = COLUMNS - 3;
      line.append(reason);
      return line;
    }
    line.append(element("td", titles(row.set)), number(row.total, 2));
    if (data.labels.length > 1) data.labels.forEach((_, at) => line.append(number(row.volumes[at] ?? null, 2)));
    line.append(number(row.entropy, 2), number(row.warnings, 0));
    return line;
  };

  let order = rows, found = rows, page = 0, sorted = "", down = false;
  const show = () => {
    const pages = Math.max(1, Math.ceil(found.length / ROWS));
    page = Math.min(Math.max(page, 0), pages - 1);
    document.querySelector("#cases tbody").replaceChildren(...found.slice(page * ROWS, (page + 1) * ROWS).map(drawn));
    byId("shown").textContent = `${found.length} of ${rows.length} cases`;
    byId("page").textContent = `Page ${page + 1} of ${pages}`;
    byId("back").disabled = page === 0;
    byId("next").disabled = page === pages - 1;
  };
  const filter = () => {
    const text = byId("find").value.trim().toLowerCase(), status = byId("status").value;
    const set = byId("set").value, doubts = byId("doubts").checked;
    found = order.filter((row) => row.text.includes(text)
      && (status === "" || row.status === Number(status))
      && (set === "" || (row.set !== 0 && (row.set === FULL) === (set === "full")))
      && (!doubts || row.warnings > 0));
    page = 0;
    show();
  };
  const sort = (key) => {
    down = sorted === key ? !down : false;
    sorted = key;
    const sign = down ? -1 : 1, value = VALUES[key];
    order = [...rows].sort((one, other) => {
      if (key === "id") return sign * names.compare(one.id, other.id);
      const [a, b] = [value(one), value(other)];
      if (a === null || b === null) return (a === null) - (b === null);  // what has no value comes last, either way
      return sign * (a - b);
    });
    document.querySelectorAll("#cases th[aria-sort]").forEach((head) => {
      const own = head.querySelector("button").dataset.sort === key;
      head.setAttribute("aria-sort", own ? (down ? "descending" : "ascending") : "none");
    });
    filter();
  };

  let patientPage = 0;
  const change = (now, before) => {
    if (before === null) return "";
    const share = before > 0 ? ` (${now >= before ? "+" : ""}${(100 * (now - before) / before).toFixed(0)} %)` : "";
    return `${now >= before ? "+" : ""}${(now - before).toFixed(2)}${share}`;
  };
  const visited = ([patient, group]) => {
    const table = element("table", "", "visits"), head = element("tr"), body = element("tbody"), top = element("thead");
    table.append(element("caption", patient), top, body);
    for (const text of ["Visit", "Modalities", "Volume, ml", "Change, ml", "Note"]) {
      const cell = element("th", text, text.endsWith("ml") ? "number" : "");
      cell.scope = "col";
      head.append(cell);
    }
    top.append(head);
    let before = null;
    for (const at of group) {
      const row = rows[at], line = element("tr"), name = element("th");
      name.scope = "row";
      name.append(named(row));
      const differs = before && before.set !== row.set;
      line.append(name, element("td", titles(row.set)), number(row.total, 2),
        element("td", change(row.total, before && before.total), "number"),
        element("td", differs ? "other modalities than the visit before" : ""));
      body.append(line);
      before = row;
    }
    return table;
  };
  const showPatients = () => {
    const pages = Math.max(1, Math.ceil(data.patients.length / PATIENTS));
    patientPage = Math.min(Math.max(patientPage, 0), pages - 1);
    byId("patients").replaceChildren(...data.patients.slice(patientPage * PATIENTS, (patientPage + 1) * PATIENTS).map(visited));
    byId("patients-page").textContent = `Page ${patientPage + 1} of ${pages}, ${data.patients.length} patients with several visits`;
    byId("patients-back").disabled = patientPage === 0;
    byId("patients-next").disabled = patientPage === pages - 1;
  };

  data.statuses.forEach(([, words], at) => {
    if (rows.some((row) => row.status === at)) byId("status").append(new Option(words, at));
  });
  for (const id of ["find", "status", "set", "doubts"]) byId(id).addEventListener("input", filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("back").addEventListener("click", () => { page--; show(); });
  byId("next").addEventListener("click", () => { page++; show(); });
  byId("patients-back").addEventListener("click", () => { patientPage--; showPatients(); });
  byId("patients-next").addEventListener("click", () => { patientPage++; showPatients(); });
  document.querySelectorAll("[data-sort]").forEach((button) => button.addEventListener("click", () => sort(button.dataset.sort)));
  document.querySelectorAll("[data-find]").forEach((button) => button.addEventListener("click", () => {
    byId("find").value = button.dataset.find;
    byId("status").value = "0";
    filter();
    byId("list").scrollIntoView();
  }));
  filter();
  if (data.patients.length) {
    byId("visits-section").hidden = false;
    showPatients();
  }
  document.body.dataset.list = "ready";
})();
