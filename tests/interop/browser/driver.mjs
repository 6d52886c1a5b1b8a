// Steers one Chromium for the tests in Python. JSON lines: {id, command, ...} in; {id, value} or {id, error} out.
//
// Serves the pages on a port of 127.0.0.1. Ends, and Chromium with it, when its input ends.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { chromium } from "playwright-core";

const HERE = fileURLToPath(new URL(".", import.meta.url));
// The page that the documentation offers, and how it is built.
const EXAMPLE = fileURLToPath(new URL("../../../docs/examples/browser/", import.meta.url));
const [, , executablePath] = process.argv;

// Nothing is fetched from anywhere but loopback: no name resolves, and no part of Chromium may phone home.
const ARGUMENTS = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
  "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.* , EXCLUDE localhost",
  "--allow-loopback-in-peer-connection",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
];

function bundle(entry) {
  const built = buildSync({
    entryPoints: [entry],
    bundle: true,
    format: "iife",
    write: false,
    define: { global: "window" },
    nodePaths: [`${HERE}node_modules`],
  });
  return built.outputFiles[0].text;
}

const FILES = {};
for (const [at, folder, page] of [["/", HERE, "page.html"], ["/example/", EXAMPLE, "index.html"]]) {
  FILES[at] = { type: "text/html", text: () => readFileSync(folder + page) };
  FILES[`${at}page.js`] = { type: "text/javascript", text: () => bundle(`${folder}page.mjs`) };
}
const made = new Map();

function serve(request, response) {
  const file = FILES[request.url];
  if (!file) {
    response.writeHead(404).end();
    return;
  }
  if (!made.has(request.url)) made.set(request.url, file.text());
  response.writeHead(200, { "content-type": `${file.type}; charset=utf-8` }).end(made.get(request.url));
}

const server = createServer(serve);
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${server.address().port}`;
const browser = await chromium.launch({ executablePath, args: ARGUMENTS });
const pages = new Map();

// Each page has a context of its own, so that pages share nothing.
const COMMANDS = {
  async open({ path }) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    const opened = { context, page, frames: [], complaints: [] };
    page.on("pageerror", (error) => opened.complaints.push(String(error)));
    page.on("console", (message) => message.type() === "error" && opened.complaints.push(message.text()));
    page.on("websocket", (socket) => {
      socket.on("framesent", ({ payload }) => opened.frames.push([true, String(payload)]));
      socket.on("framereceived", ({ payload }) => opened.frames.push([false, String(payload)]));
    });
    const number = pages.size;
    pages.set(number, opened);
    await page.goto(origin + path);
    return number;
  },
  async phone({ page, settings }) {
    await pages.get(page).page.evaluate((given) => window.makePhone(given), settings);
    return null;
  },
  async ask({ page, method, values }) {
    const call = ([name, given]) => window.phone[name](...given);
    return (await pages.get(page).page.evaluate(call, [method, values])) ?? null;
  },
  // What a person does: `action` is fill, click or selectOption.
  async act({ page, action, selector, values }) {
    await pages.get(page).page[action](selector, ...values);
    return null;
  },
  async shows({ page, selector, text, patience }) {
    const shown = pages.get(page).page.locator(selector).filter({ hasText: new RegExp(`^${text}$`) });
    await shown.waitFor({ timeout: patience });
    return null;
  },
  async plays({ page, selector, patience }) {
    const plays = (css) => document.querySelector(css).currentTime > 0;
    await pages.get(page).page.waitForFunction(plays, selector, { timeout: patience });
    return null;
  },
  async reload({ page }) {
    await pages.get(page).page.reload();
    return null;
  },
  frames({ page }) {
    return pages.get(page).frames;
  },
  complaints({ page }) {
    return pages.get(page).complaints;
  },
  async close({ page }) {
    await pages.get(page).context.close();
    return null;
  },
  version() {
    return browser.version();
  },
};

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function obey(line) {
  const { id, command, ...words } = JSON.parse(line);
  try {
    say({ id, value: await COMMANDS[command](words) });
  } catch (error) {
    say({ id, error: String(error.message ?? error) });
  }
}

say({ id: 0, value: "ready" });
for await (const line of createInterface({ input: process.stdin })) await obey(line);
await browser.close();
server.close();
