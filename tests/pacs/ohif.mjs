// Opens a page of OHIF in headless Chromium until a colour shows in a viewport, and keeps a picture.
//   node --experimental-websocket ohif.mjs URL PICTURE R,G,B SECONDS
// Prints JSON: how many pixels have that colour's hue, the texts of the page, its errors, and requests that left the machine.
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

const [url, picture, wanted, seconds] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
const browser = spawn('chromium', ['--headless', '--no-sandbox', '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
  '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', '--user-data-dir=' + profile, '--remote-debugging-port=0', '--window-size=1280,800', 'about:blank']);
const finish = status => { browser.kill('SIGKILL'); setTimeout(() => { rmSync(profile, {recursive: true, force: true}); process.exit(status); }, 500); };
try {
  const address = await new Promise((resolve, reject) => {
    browser.stderr.on('data', text => { const found = /ws:\/\/\S+/.exec(text); if (found) resolve(found[0]); });
    setTimeout(() => reject(new Error('no DevTools')), 60000);
  });
  const socket = new WebSocket(address);
  await new Promise(resolve => { socket.onopen = resolve; });
  let last = 0;
  const waiting = {}, errors = [], left = [];
  socket.onmessage = message => {
    const {id, result, error, method, params} = JSON.parse(message.data);
    if (id && waiting[id]) { waiting[id](result ?? error); delete waiting[id]; }
    if (method === 'Runtime.exceptionThrown') errors.push((params.exceptionDetails.exception?.description ?? params.exceptionDetails.text).slice(0, 300));
    if (method === 'Network.requestWillBeSent' && !/^(http:\/\/127\.0\.0\.1|data:|blob:|chrome)/.test(params.request.url)) left.push(params.request.url.slice(0, 100));
  };
  const send = (method, params = {}, sessionId) => new Promise(resolve => { waiting[++last] = resolve; socket.send(JSON.stringify({id: last, method, params, sessionId})); });
  const {targetId} = await send('Target.createTarget', {url: 'about:blank'});
  const {sessionId} = await send('Target.attachToTarget', {targetId, flatten: true});
  for (const domain of ['Page', 'Runtime', 'Network']) await send(domain + '.enable', {}, sessionId);
  await send('Page.navigate', {url}, sessionId);
  const [r, g, b] = wanted.split(',').map(Number);
  // Counts in the picture of the page itself: what is on a canvas alone need not be seen.
  const count = `(async (data) => {
    const image = new Image(); image.src = 'data:image/png;base64,' + data; await image.decode();
    const canvas = document.createElement('canvas'); canvas.width = image.width; canvas.height = image.height;
    const context = canvas.getContext('2d'); context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, image.width, image.height).data;
    const hue = (r, g, b) => { const high = Math.max(r, g, b), range = high - Math.min(r, g, b); if (!range) return -1;
      return 60 * (high === r ? ((g - b) / range + 6) % 6 : high === g ? (b - r) / range + 2 : (r - g) / range + 4); };
    const target = hue(${r}, ${g}, ${b}); let n = 0;
    for (const view of document.querySelectorAll('.cornerstone-canvas, canvas')) { const box = view.getBoundingClientRect();
      if (box.width < 200) continue;
      for (let y = Math.max(0, box.top | 0); y < Math.min(image.height, box.bottom); y++) for (let x = Math.max(0, box.left | 0); x < Math.min(image.width, box.right); x++) {
        const i = 4 * (y * image.width + x), [pr, pg, pb] = [pixels[i], pixels[i + 1], pixels[i + 2]];
        if (Math.max(pr, pg, pb) - Math.min(pr, pg, pb) > 50 && Math.abs(hue(pr, pg, pb) - target) < 12) n++; } }
    return n; })`;
  const end = Date.now() + 1000 * Number(seconds);
  let n = 0, shot;
  do {
    await new Promise(resolve => setTimeout(resolve, 2000));
    // A tour of the viewer darkens the page.
    await send('Runtime.evaluate', {expression: `[...document.querySelectorAll('button, a, span')].find(e => e.textContent.trim() === 'Skip all')?.click()`}, sessionId);
    shot = (await send('Page.captureScreenshot', {format: 'png'}, sessionId)).data;
    if (!shot) continue;
    n = (await send('Runtime.evaluate', {expression: `${count}('${shot}')`, awaitPromise: true, returnByValue: true}, sessionId)).result?.value ?? 0;
  } while (n < 100 && Date.now() < end);
  await new Promise(resolve => setTimeout(resolve, 3000));
  shot = (await send('Page.captureScreenshot', {format: 'png'}, sessionId)).data;
  writeFileSync(picture, Buffer.from(shot, 'base64'));
  const text = (await send('Runtime.evaluate', {expression: 'document.body.innerText'}, sessionId)).result.value;
  console.log(JSON.stringify({pixels: n, text, errors, left}));
  finish(0);
} catch (error) { console.error(String(error)); finish(1); }
