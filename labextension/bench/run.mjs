/**
 * Measure the panel in a browser: `node bench/run.mjs [--runs N] [--json]`.
 *
 * - first rows: from the arrival of the data of 5,000 packages, as text, to the paint with rows in it;
 * - keystroke: from the key to the paint that follows it, over 35,000 names, letters and backspaces;
 * - scrolling: frames in which a part of the list has no row, with the wheel and with jumps.
 */
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { serve } from '../scripts/serve.mjs';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
    chromium: { type: 'string', default: process.env.CHROMIUM ?? '/usr/bin/chromium' }
  }
});
const PROMISES = { rows: 100, keystroke: 50 };
const QUERIES = ['scikit', 'pytorch', 'data', 'json-yaml', 'http', 'tensorflow', 'x', 'learn-kit'];
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync'
];

const { server, url } = await serve({ entry: 'bench/page.tsx' });
const browser = await chromium.launch({ executablePath: values.chromium, args: flags });
const rows = [];
const work = [];
const keys = [];
const scrolled = [];
try {
  for (let run = 0; run < Number(values.runs); run += 1) {
    const page = await browser.newPage({ viewport: { width: 340, height: 800 } });
    await page.goto(url);
    await page.waitForSelector('html[data-waiting]');
    const busy = await busyTime(page);
    await page.evaluate('release()');
    await page.waitForSelector('html[data-ready]');
    work.push((await busy()) * 1000);
    rows.push(await page.evaluate('marks.rows - marks.data'));
    scrolled.push(await scroll(page));
    keys.push(await type(page));
    await page.close();
  }
} finally {
  await browser.close();
  server.close();
}
report();

/** Seconds of processor time that the page's main thread takes from here on: other processes don't count. */
async function busyTime(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const read = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration').value;
  };
  const before = await read();
  return async () => (await read()) - before;
}

/** Milliseconds from each key to the paint after it. */
async function type(page) {
  await page.getByRole('tab', { name: 'Search' }).click();
  await page.waitForFunction('panel.search.state.names === "ready"');
  await page.evaluate(() => {
    window.times = [];
    document.addEventListener(
      'keydown',
      event => {
        void window.painted().then(() => window.times.push(performance.now() - event.timeStamp));
      },
      { capture: true }
    );
  });
  const box = page.getByRole('textbox', { name: /Search/ });
  await box.click();
  let count = 0;
  const press = async key => {
    await page.keyboard.press(key);
    count += 1;
    await page.waitForFunction(`times.length === ${count}`);
  };
  for (const query of QUERIES) {
    for (const letter of query) {
      await press(letter);
    }
    for (let index = 0; index < query.length; index += 1) {
      await press('Backspace');
    }
  }
  return page.evaluate('times');
}

/** How many frames showed a place without a row. */
async function scroll(page) {
  await page.evaluate(() => {
    const list = document.querySelector('[role="grid"]');
    window.frames_ = { all: 0, blank: 0, going: true };
    const look = () => {
      const box = list.getBoundingClientRect();
      const end = Math.min(box.bottom - 2, box.top + list.scrollHeight - list.scrollTop - 2);
      const at = y => document.elementFromPoint(box.left + 20, y)?.closest('[role="row"]');
      const places = [box.top + 40, (box.top + end) / 2, end];
      window.frames_.all += 1;
      window.frames_.blank += places.every(at) ? 0 : 1;
      if (window.frames_.going) {
        requestAnimationFrame(look);
      }
    };
    requestAnimationFrame(look);
  });
  const box = await page.locator('[role="grid"]').boundingBox();
  await page.mouse.move(box.x + 50, box.y + 200);
  for (let tick = 0; tick < 120; tick += 1) {
    await page.mouse.wheel(0, 480);
  }
  await page.waitForTimeout(300);
  const wheel = await page.evaluate(
    '({...frames_, top: document.querySelector("[role=grid]").scrollTop})'
  );
  const jumps = await page.evaluate(async () => {
    const list = document.querySelector('[role="grid"]');
    const times = [];
    for (let jump = 0; jump < 30; jump += 1) {
      const begin = performance.now();
      list.scrollTop = ((jump * 7919) % 30) * 4900;
      await window.painted();
      const box = list.getBoundingClientRect();
      while (!document.elementFromPoint(box.left + 20, box.top + 300)?.closest('[role="row"]')) {
        await window.painted();
      }
      times.push(performance.now() - begin);
    }
    window.frames_.going = false;
    return times;
  });
  return { wheel, jumps };
}

function percentile(numbers, share) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** For machines a list each, a number for each run; for people what it comes to. */
function report() {
  const p95 = keys.map(times => percentile(times, 0.95));
  const blank = scrolled.map(({ wheel }) => wheel.blank);
  const all = keys.flat();
  if (values.json) {
    console.log(JSON.stringify({ rows, keys: p95, blank }));
  } else {
    const lines = {
      'first rows of 5,000 (ms, median)': percentile(rows, 0.5),
      'first rows of 5,000 (ms, worst)': Math.max(...rows),
      'of it work of the main thread (ms)': percentile(work, 0.5),
      'keystroke over 35,000 (ms, median)': percentile(all, 0.5),
      'keystroke over 35,000 (ms, p95)': percentile(p95, 0.5),
      keystrokes: all.length,
      'frames with the wheel': scrolled.reduce((sum, { wheel }) => sum + wheel.all, 0),
      'of them with a blank row': blank.reduce((sum, count) => sum + count, 0),
      'jump to rows (ms, p95)': percentile(
        scrolled.flatMap(({ jumps }) => jumps),
        0.95
      )
    };
    for (const [name, value] of Object.entries(lines)) {
      console.log(`${name.padEnd(36)} ${Number.isInteger(value) ? value : value.toFixed(1)}`);
    }
  }
  const kept =
    percentile(rows, 0.5) <= PROMISES.rows &&
    percentile(p95, 0.5) <= PROMISES.keystroke &&
    !blank.some(Boolean);
  process.exitCode = kept ? 0 : 1;
}
