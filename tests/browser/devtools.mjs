// A headless Chromium in which no name resolves, and what DevTools tells of the page that it shows.
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

const LOCAL = /^(file:|http:\/\/127\.0\.0\.1|data:|blob:|chrome|about:)/;
const FLAGS = ['--headless', '--no-sandbox', '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
  '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', '--remote-debugging-port=0'];

export const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

// Opens a browser with one empty page. `errors` are exceptions, `said` errors and warnings of the console, `requests` all URLs, `left` those
// that are not of this machine.
export async function openBrowser({size = '1280,800', flags = []} = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
  const browser = spawn('chromium', [...FLAGS, ...flags, '--window-size=' + size, '--user-data-dir=' + profile, 'about:blank']);
  const close = async () => { browser.kill('SIGKILL'); await pause(500); rmSync(profile, {recursive: true, force: true, maxRetries: 5, retryDelay: 200}); };
  try {
    const address = await new Promise((resolve, reject) => {
      browser.stderr.on('data', text => { const found = /ws:\/\/\S+/.exec(text); if (found) resolve(found[0]); });
      browser.on('error', reject);
      setTimeout(() => reject(new Error('no DevTools')), 60000);
    });
    const socket = new WebSocket(address);
    await new Promise(resolve => { socket.onopen = resolve; });
    let last = 0;
    const waiting = {}, errors = [], said = [], requests = [], left = [];
    socket.onmessage = message => {
      const {id, result, error, method, params} = JSON.parse(message.data);
      if (id && waiting[id]) { waiting[id](result ?? error); delete waiting[id]; }
      if (method === 'Runtime.exceptionThrown') errors.push((params.exceptionDetails.exception?.description ?? params.exceptionDetails.text).slice(0, 300));
      if (method === 'Runtime.consoleAPICalled' && ['error', 'warning', 'assert'].includes(params.type)) said.push(params.args.map(a => a.value ?? a.description).join(' ').slice(0, 300));
      if (method === 'Log.entryAdded' && ['error', 'warning'].includes(params.entry.level)) said.push(params.entry.text.slice(0, 300));
      if (method === 'Network.requestWillBeSent') {
        const url = params.request.url.slice(0, 200);
        requests.push(url);
        if (!LOCAL.test(url)) left.push(url);
      }
    };
    const call = (method, params = {}, sessionId) => new Promise(resolve => { waiting[++last] = resolve; socket.send(JSON.stringify({id: last, method, params, sessionId})); });
    const {targetId} = await call('Target.createTarget', {url: 'about:blank'});
    const {sessionId} = await call('Target.attachToTarget', {targetId, flatten: true});
    const send = (method, params) => call(method, params, sessionId);
    for (const domain of ['Page', 'Runtime', 'Network', 'Log']) await send(domain + '.enable');
    return {send, close, errors, said, requests, left};
  } catch (error) { await close(); throw error; }
}

// Counts in the picture of the page itself, because what is on a canvas alone need not be seen: pixels with the hue of a colour, within the
// boxes of what a selector finds. Returns an expression.
export const countHue = (shot, [r, g, b], selector, tolerance = 12) => `(async () => {
  const image = new Image(); image.src = 'data:image/png;base64,${shot}'; await image.decode();
  const canvas = document.createElement('canvas'); canvas.width = image.width; canvas.height = image.height;
  const context = canvas.getContext('2d'); context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, image.width, image.height).data;
  const hue = (r, g, b) => { const high = Math.max(r, g, b), range = high - Math.min(r, g, b); if (!range) return -1;
    return 60 * (high === r ? ((g - b) / range + 6) % 6 : high === g ? (b - r) / range + 2 : (r - g) / range + 4); };
  const target = hue(${r}, ${g}, ${b}); let n = 0;
  for (const view of document.querySelectorAll(${JSON.stringify(selector)})) { const box = view.getBoundingClientRect();
    if (box.width < 200) continue;
    for (let y = Math.max(0, box.top | 0); y < Math.min(image.height, box.bottom); y++) for (let x = Math.max(0, box.left | 0); x < Math.min(image.width, box.right); x++) {
      const i = 4 * (y * image.width + x), [pr, pg, pb] = [pixels[i], pixels[i + 1], pixels[i + 2]];
      if (Math.max(pr, pg, pb) - Math.min(pr, pg, pb) > 50 && Math.abs(hue(pr, pg, pb) - target) < ${tolerance}) n++; } }
  return n; })()`;
