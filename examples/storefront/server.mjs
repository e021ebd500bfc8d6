/**
 * The demo shop as a process: reads the environment, listens on loopback, ends on SIGTERM.
 *
 *   STOREFRONT_CONFIG  a JSON file: issuer, client_id, client_secret, redirect_uri, api_key, line_simulator
 *   STOREFRONT_STATE   a JSON file where members and their carts persist (optional)
 *   SHOP_PORT          8789 unless told
 */

import { readFileSync } from "node:fs";
import { createServer } from "node:http";

import { createShop } from "./shop.mjs";
import { Store } from "./store.mjs";

const NEEDED = ["issuer", "client_id", "client_secret", "redirect_uri", "api_key"];

function readConfig(file) {
  if (!file) throw new Error("STOREFRONT_CONFIG must name the shop's configuration file");
  const config = JSON.parse(readFileSync(file, "utf8"));
  const missing = NEEDED.filter((name) => typeof config[name] !== "string" || !config[name]);
  if (missing.length > 0) throw new Error(`${file} lacks ${missing.join(", ")}`);
  return config;
}

function main() {
  const { STOREFRONT_CONFIG, STOREFRONT_STATE, SHOP_PORT } = process.env;
  const config = readConfig(STOREFRONT_CONFIG);
  const server = createServer(createShop(config, new Store(STOREFRONT_STATE)));
  server.on("error", fail);
  server.listen(Number(SHOP_PORT ?? 8789), "127.0.0.1", () => {
    console.log(`shop: http://127.0.0.1:${server.address().port}`);
  });
  for (const signal of ["SIGTERM", "SIGINT"]) {
    process.once(signal, () => {
      server.close(() => process.exit(0));
      server.closeAllConnections();
    });
  }
}

function fail(error) {
  console.error(`shop: ${error.message}`);
  process.exit(1);
}

try {
  main();
} catch (error) {
  fail(error);
}
