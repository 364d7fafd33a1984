// Checks a report page in headless Chromium for what only a browser can show, for scripts/look-at-report and the tests.
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import chromium from "@sparticuz/chromium";
import puppeteer from "puppeteer-core";

const [file, folder] = process.argv.slice(2);
const problems = [];
const executablePath = await chromium.executablePath();
// The fonts that come with Chromium, and no others: with those of a machine alone it may stop at a text that they lack.
const fonts = `${tmpdir()}/keytide-fonts.conf`;
writeFileSync(fonts, `<fontconfig><dir>${tmpdir()}/fonts</dir><cachedir>${tmpdir()}/fonts-cache</cachedir></fontconfig>`);
process.env.FONTCONFIG_FILE = fonts;
// With one process for everything, a page that is closed can take the next one with it.
const args = chromium.args.filter((argument) => !["--single-process", "--no-zygote"].includes(argument));
const browser = await puppeteer.launch({ args: [...args, "--no-sandbox"], executablePath, headless: true });

async function open(width, height, scheme) {
  const page = await browser.newPage();
  page.on("console", (message) => problems.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => problems.push(`script: ${error.message}`));
  page.on("request", (request) => request.url().startsWith("http") && problems.push(`request: ${request.url()}`));
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.setViewport({ width, height });
  await page.goto(`file://${file}`);
  return page;
}

// The words of the tiles that are on two lines.
function brokenWords() {
  const broken = [];
  for (const tile of document.querySelectorAll(".tiles li")) {
    const texts = document.createTreeWalker(tile, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      for (const { 0: word, index } of texts.currentNode.data.matchAll(/[\p{L}\p{N}]+/gu)) {
        const range = document.createRange();
        range.setStart(texts.currentNode, index);
        range.setEnd(texts.currentNode, index + word.length);
        if (new Set([...range.getClientRects()].map((line) => line.top)).size > 1) broken.push(word);
      }
    }
  }
  return broken;
}

for (const [width, height] of [[1280, 800], [390, 844]]) {
  for (const scheme of ["light", "dark"]) {
    const page = await open(width, height, scheme);
    await page.screenshot({ path: `${folder}/${width}-${scheme}.png`, fullPage: true });
    const broken = await page.evaluate(brokenWords);
    if (broken.length) problems.push(`${width} px: tiles break the words ${broken.join(", ")}`);
    await page.evaluate(() => document.querySelectorAll("details").forEach((part) => (part.open = true)));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    if (wide > width) problems.push(`${width} px: the page is ${wide} px wide`);
    await page.close();
  }
}

const page = await open(1280, 800, "light");
const first = await page.evaluate(() => [...document.querySelectorAll(".findings tbody tr")].find((row) => row.checkVisibility())?.getBoundingClientRect().bottom ?? 0);
if (first > 800) problems.push(`the first finding ends at ${first} px`);
const table = await page.evaluate(() => {
  const users = document.querySelector("table.users");
  if (!users) return null;
  document.querySelectorAll("details").forEach((part) => (part.open = true));
  const bodies = () => [...users.tBodies];
  const set = (name, value, event) => {
    const field = document.querySelector(`.filter [name=${name}]`);
    field.value = value;
    field.dispatchEvent(new Event(event));
  };
  const wanted = bodies().at(-1).rows[0].cells[0].textContent;
  set("text", wanted, "input");
  const shown = bodies().filter((body) => !body.hidden && body.offsetHeight > 0).map((body) => body.textContent);
  set("text", "", "input");
  set("sort", "user", "change");
  const names = bodies().map((body) => body.rows[0].cells[0].textContent);
  return { wanted, shown, names };
});
if (table) {
  const fits = table.shown.length > 0 && table.shown.every((text) => text.toLowerCase().includes(table.wanted.toLowerCase()));
  if (!fits) problems.push(`the filter for ${table.wanted} shows ${table.shown.length} users`);
  const sorted = [...table.names].sort((a, b) => a.localeCompare(b));
  if (sorted.join() !== table.names.join()) problems.push("the table is not sorted by user");
}
await browser.close();
for (const problem of problems) console.error(problem);
console.log(problems.length ? `${problems.length} problems` : `good; pictures in ${folder}`);
process.exitCode = problems.length ? 1 : 0;
