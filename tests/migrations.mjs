/** The schema as D1 takes it, for suites that run the worker without wrangler. */

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** A statement, or a trigger with those of its body. */
const STATEMENT = /\s*CREATE TRIGGER[\s\S]*?^END|[^;]+/gm;

/** The statements of all migrations in `folder`, in order. */
export function statements(folder) {
  const files = readdirSync(folder).filter((name) => name.endsWith(".sql")).sort();
  const text = files.map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
  return text.replaceAll(/^\s*--.*$/gm, "").match(STATEMENT).map((statement) => statement.trim()).filter(Boolean);
}
