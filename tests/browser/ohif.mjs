// Opens a page of OHIF in headless Chromium until a colour shows in a viewport, and keeps a picture.
//   node --experimental-websocket ohif.mjs URL PICTURE R,G,B SECONDS
// Prints JSON: how many pixels have that colour's hue, the texts of the page, its errors, and requests that left the machine.
import {writeFileSync} from 'node:fs';
import {countHue, openBrowser, pause} from './devtools.mjs';

const [url, picture, wanted, seconds] = process.argv.slice(2);
let browser, status = 0;
try {
  browser = await openBrowser();
  const {send, errors, left} = browser;
  await send('Page.navigate', {url});
  const end = Date.now() + 1000 * Number(seconds);
  let n = 0, shot;
  do {
    await pause(2000);
    // A tour of the viewer darkens the page.
    await send('Runtime.evaluate', {expression: `[...document.querySelectorAll('button, a, span')].find(e => e.textContent.trim() === 'Skip all')?.click()`});
    shot = (await send('Page.captureScreenshot', {format: 'png'})).data;
    if (!shot) continue;
    const expression = countHue(shot, wanted.split(',').map(Number), '.cornerstone-canvas, canvas');
    n = (await send('Runtime.evaluate', {expression, awaitPromise: true, returnByValue: true})).result?.value ?? 0;
    // The viewer opens where a segmentation begins, perhaps with a few voxels: a turn of the wheel goes to the next slice.
    if (n > 0 && n < 100) await send('Input.dispatchMouseEvent', {type: 'mouseWheel', x: 760, y: 380, deltaX: 0, deltaY: 100});
  } while (n < 100 && Date.now() < end);
  await pause(3000);
  shot = (await send('Page.captureScreenshot', {format: 'png'})).data;
  writeFileSync(picture, Buffer.from(shot, 'base64'));
  const text = (await send('Runtime.evaluate', {expression: 'document.body.innerText'})).result.value;
  console.log(JSON.stringify({pixels: n, text, errors, left}));
} catch (error) { console.error(String(error)); status = 1; }
await browser?.close();
process.exit(status);
