// Makes the calls on standard input, `[class, method, options]` each, with the client `fastly`, and prints their results.
import Fastly from "fastly";
import { readFileSync } from "node:fs";

const results = [];
for (const [name, method, options] of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    results.push({ data: await new Fastly[name]()[method](options) });
  } catch (error) {
    if (error.status === undefined) throw error;
    results.push({ status: error.status, body: error.body });
  }
}
console.log(JSON.stringify(results));
