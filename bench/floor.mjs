/**
 * Builds the Rust floors with the tools that `cargo xtask` installs, unless nothing changed since the last build.
 *
 * Everything that is made lies in `target/bench`.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const CRATE = fileURLToPath(new URL("floor", import.meta.url));
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SOURCES = ["Cargo.toml", "Cargo.lock", "src/lib.rs"];

/** Where `cargo xtask bench` says its tools are, or else where it puts them. */
const TOOLS = {
  WORKER_BUILD_BIN: "target/tools/bin/worker-build",
  WASM_BINDGEN_BIN: "target/tools/bin/wasm-bindgen",
  WASM_OPT_BIN: "node_modules/.bin/wasm-opt",
  ESBUILD_BIN: `node_modules/@esbuild/${process.platform}-${process.arch}/bin/esbuild`,
};

/** @returns {string} the folder of the built floors */
export function buildFloor() {
  const folder = join(ROOT, "target/bench/floor");
  const stamp = join(ROOT, "target/bench/floor.stamp");
  if (existsSync(join(folder, "index_bg.wasm")) && existsSync(stamp) && readFileSync(stamp, "utf8") === digest()) return folder;
  process.stderr.write("building the Rust floors (about 2 minutes the first time)\n");
  mkdirSync(folder, { recursive: true });
  const tools = Object.fromEntries(Object.entries(TOOLS).map(([name, path]) => [name, process.env[name] ?? join(ROOT, path)]));
  const PATH = `${dirname(process.execPath)}:${process.env.PATH}`;
  const built = spawnSync(tools.WORKER_BUILD_BIN, ["--profile", "wasm", "--out-dir", relative(CRATE, folder), "--locked"], {
    cwd: CRATE,
    env: { ...process.env, ...tools, PATH, CARGO_TARGET_DIR: join(ROOT, "target/bench/build") },
    encoding: "utf8",
  });
  if (built.status !== 0) throw new Error(`the floors do not build:\n${built.stderr ?? built.error}`);
  writeFileSync(stamp, digest());
  return folder;
}

/** Of the sources. */
function digest() {
  const hash = createHash("sha256");
  for (const source of SOURCES) hash.update(readFileSync(join(CRATE, source)));
  return hash.digest("hex");
}
