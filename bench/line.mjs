/**
 * A LINE for the one row that calls it, in a process of its own, so that nothing of it is in the worker's CPU. It knows what
 * a returning customer's login needs and no more.
 */

import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("line/main.mjs", import.meta.url));

/**
 * Starts a LINE, and with it whatever calls it; both end together.
 *
 * @param {Record<string, string>} channel  `CHANNEL_ID`, `CHANNEL_SECRET`, `LINE_USER`, `NAME`
 * @param {(line: string) => Promise<import("./worker.mjs").Worker>} start  is given LINE's address
 * @returns {Promise<{url: URL, pid: number, used: () => Map<string, number>, stop: () => Promise<void>}>}
 */
export async function besideLine(channel, start) {
  const line = fork(MAIN, { env: channel, execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const end = async () => {
    line.kill();
    if (line.exitCode === null && line.signalCode === null) await once(line, "exit");
  };
  try {
    const [port] = await Promise.race([once(line, "message"), once(line, "close")]);
    if (line.exitCode !== null || line.signalCode !== null) throw new Error("the stub of LINE does not start");
    const worker = await start(`http://127.0.0.1:${port}`);
    const stop = () => worker.stop().finally(end);
    return { url: worker.url, pid: worker.pid, used: () => worker.used(), stop };
  } catch (error) {
    await end();
    throw error;
  }
}
