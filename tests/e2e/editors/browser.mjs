// What both drivers need: waiting, keys, grey text as it is drawn, and a minute of typing.

import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Wait until it is so; `what` is said where it never is. */
export async function until(what, check, seconds = 180) {
  const deadline = Date.now() + 1000 * seconds;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(what);
    await sleep(100);
  }
}

export async function press(page, ...keys) {
  for (const key of keys) await page.keyboard.press(key);
}

export const grey = async (page) =>
  (await page.locator(".ghost-text-decoration").allTextContents()).join("").replaceAll("\u00a0", " ");

/** Keys at their own pace, `[key, seconds, the line then]` each; what `lines` showed after each goes to a file. */
export async function typeAll(page, lines, keys, file) {
  const screens = [];
  let due = Date.now();
  for (const [key, pause, line] of keys) {
    await (key === "\b" ? press(page, "Backspace") : page.keyboard.type(key));
    due += 1000 * pause;
    await sleep(Math.max(0, due - Date.now()));
    let screen;
    const typed = async () => {
      screen = await shown(lines);
      return screen.rows[screen.row].slice(0, screen.column) === line;
    };
    await until(`it hangs, or the line is not "${line}"`, typed, 5);
    screens.push(screen); // the first that shows the key: on a busy machine a key is drawn late
  }
  writeFileSync(file, JSON.stringify(screens));
}

/** The rows of text and grey text together, and where what was typed ends: always on the last of them. */
const shown = (lines) =>
  lines.evaluateAll((lines) => {
    const text = (parts) => [...parts].map((part) => part.textContent).join("").replaceAll("\u00a0", " ");
    const top = (line) => Number.parseFloat(line.style.top);
    const rows = lines.sort((one, other) => top(one) - top(other)).map((line) => text([line]));
    const grey = text(lines.at(-1).querySelectorAll(".ghost-text-decoration"));
    return { rows, row: rows.length - 1, column: rows.at(-1).length - grey.length };
  });
