// Opens a page in headless Chromium and does steps, read from stdin as JSON; prints what they gave as JSON.
//   node --experimental-websocket visit.mjs URL < steps.json
// Steps: {wait: EXPRESSION, seconds}, {run: EXPRESSION}, {load: SCRIPT_FILE}, {shot: FILE, full}, {count: [r, g, b], in: SELECTOR},
// {pdf: FILE}, {media: {...}}; {size: "W,H"} and {flags: [...]} count before the page is opened.
import {readFileSync, writeFileSync} from 'node:fs';
import {countHue, openBrowser, pause} from './devtools.mjs';

const steps = JSON.parse(readFileSync(0, 'utf-8'));
const [url] = process.argv.slice(2);
let browser, status = 0;
try {
  browser = await openBrowser(Object.assign({size: '1280,1000'}, ...steps.filter(step => step.size || step.flags)));
  const {send, errors, said, requests, left} = browser;
  for (const {media} of steps.filter(step => step.media)) await send('Emulation.setEmulatedMedia', media);
  const evaluate = async expression => {
    const {result, exceptionDetails} = await send('Runtime.evaluate', {expression, awaitPromise: true, returnByValue: true});
    if (exceptionDetails) throw new Error(`${expression.slice(0, 200)}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result?.value;
  };
  const shoot = async full => (await send('Page.captureScreenshot', {format: 'png', captureBeyondViewport: Boolean(full)})).data;
  const started = Date.now();
  await send('Page.navigate', {url});
  const results = [];
  for (const step of steps) {
    let result = null;
    if (step.wait) {
      const end = Date.now() + 1000 * (step.seconds ?? 150);
      const asked = `(() => { try { return ${step.wait}; } catch { return false; } })()`;  // a page may not be there yet
      while (!(result = await evaluate(asked)) && Date.now() < end) await pause(50);
      if (!result) throw new Error(`never came true: ${step.wait}; ${JSON.stringify({errors, said})}`);
      result = Date.now() - started;
    }
    // Scripts of a tester's own, which the page's policy rightly forbids.
    if (step.load) await send('Runtime.evaluate', {expression: readFileSync(step.load, 'utf-8')});
    if (step.run) result = await evaluate(step.run);
    if (step.pause) await pause(step.pause);
    if (step.count) {
      await pause(300);
      result = await evaluate(countHue(await shoot(), step.count, step.in, step.tolerance));
    }
    if (step.shot) writeFileSync(step.shot, Buffer.from(await shoot(step.full), 'base64'));
    if (step.pdf) writeFileSync(step.pdf, Buffer.from((await send('Page.printToPDF', {preferCSSPageSize: true, printBackground: true})).data, 'base64'));
    results.push(result);
  }
  console.log(JSON.stringify({results, errors, said, requests, left}));
} catch (error) { console.error(String(error)); status = 1; }
await browser?.close();
process.exit(status);
