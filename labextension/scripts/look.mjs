/**
 * Pictures of every state of the panel in light and dark, narrow and wide, and what axe says of each.
 *
 * `node scripts/look.mjs [--only NAME] [--themes FOLDER]`: FOLDER holds `light.css` and `dark.css`, the
 * variables of a host's themes; without it, the panel's own colours are shown. Pictures go to `screenshots/`.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { serve } from './serve.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    themes: { type: 'string' },
    chromium: { type: 'string', default: process.env.CHROMIUM ?? '/usr/bin/chromium' }
  }
});
const WIDTHS = [320, 900];
const THEMES = ['light', 'dark'];
const out = new URL('../screenshots/', import.meta.url).pathname;
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync'
];

await mkdir(out, { recursive: true });
const theme = referer => {
  const name = new URL(referer || 'http://x/').searchParams.get('theme');
  return values.themes && name ? `${values.themes}/${name}.css` : null;
};
const { server, url } = await serve({ entry: 'dev/states.tsx', theme });
const browser = await chromium.launch({ executablePath: values.chromium, args: flags });
let serious = 0;
try {
  const names = values.only ? values.only.split(',') : await statesOf(browser);
  for (const name of names) {
    for (const scheme of THEMES) {
      for (const width of WIDTHS) {
        serious += await look(name, scheme, width);
      }
    }
  }
} finally {
  await browser.close();
  server.close();
}
console.log(serious ? `${serious} serious violations` : 'axe finds nothing serious');
process.exitCode = serious ? 1 : 0;

async function statesOf() {
  const page = await browser.newPage();
  await page.goto(url);
  const names = await page.evaluate('window.states');
  await page.close();
  return names;
}

async function look(name, scheme, width) {
  const context = await browser.newContext({
    viewport: { width, height: 640 },
    colorScheme: scheme,
    reducedMotion: 'reduce'
  });
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', error => errors.push(error.message));
  page.on('dialog', dialog => {
    errors.push(`a script ran: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(`${url}?state=${name}&theme=${scheme}`);
  await page.waitForSelector('html[data-ready]');
  await page.waitForTimeout(150);
  await page.screenshot({ path: `${out}${name}-${scheme}-${width}.png` });
  await page.evaluate(axe);
  // The panel is a part of its host's page, which has the headings of a page.
  const options = {
    resultTypes: ['violations'],
    rules: { 'page-has-heading-one': { enabled: false } }
  };
  const { violations } = await page.evaluate(`axe.run(document, ${JSON.stringify(options)})`);
  for (const { id, impact, nodes } of violations) {
    console.log(
      `${name} ${scheme} ${width}: ${impact} ${id}: ${nodes.length} × ${nodes[0].target} ${nodes[0].failureSummary.split('\n')[1] ?? ''}`
    );
  }
  for (const error of errors) {
    console.log(`${name} ${scheme} ${width}: ${error}`);
  }
  await context.close();
  return (
    violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').length +
    errors.length
  );
}
