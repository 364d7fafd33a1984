// emulate's GitHub behind Prism's proxy, both in this process, on loopback ports.
//
//     node github_peers.mjs FOLDER DESCRIPTION
//
// FOLDER holds node_modules. When both accept connections, it prints their addresses, Prism's first. Each line on
// standard input is a time, in milliseconds since 1970, from which emulate's clock goes on; it is answered with `ok`.
// It ends at the end of standard input.

import { Server } from "node:http";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, description] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);

let ahead = 0;
const MachineDate = Date;
globalThis.Date = class extends MachineDate {
  constructor(...given) {
    given.length > 0 ? super(...given) : super(MachineDate.now() + ahead);
  }
  static now() {
    return MachineDate.now() + ahead;
  }
};

// emulate would listen on every interface, and has no way to pick a free port.
const servers = [];
const { listen } = Server.prototype;
Server.prototype.listen = function (_port, ...rest) {
  servers.push(this);
  return listen.call(this, 0, "127.0.0.1", ...rest.filter((one) => typeof one === "function"));
};
const listening = async (server) => {
  if (!server.listening) await new Promise((done) => server.once("listening", done));
  return `http://127.0.0.1:${server.address().port}`;
};

const { createEmulator } = await import(pathToFileURL(`${folder}/node_modules/emulate/dist/api.js`));
await createEmulator({
  service: "github",
  baseUrl: "http://127.0.0.1",
  seed: {
    tokens: { token: { login: "bot", scopes: ["repo", "workflow", "admin:org"] } },
    github: {
      users: [{ login: "bot" }, { login: "alice" }],
      orgs: [{ login: "acme", members: [{ login: "bot", role: "admin" }, { login: "alice" }] }],
      repos: [{ owner: "acme", name: "app", auto_init: true, private: true }],
    },
  },
});
const upstream = await listening(servers[0]);

const { createServer } = require("@stoplight/prism-http-server");
const { getHttpOperationsFromSpec } = require("@stoplight/prism-http");
const { createLogger } = require("@stoplight/prism-core");
const config = {
  isProxy: true,
  upstream: new URL(upstream),
  validateRequest: true,
  validateResponse: true,
  checkSecurity: true,
  errors: false,
  mock: { dynamic: false },
};
const logger = createLogger("prism", { level: "silent" });
const prism = createServer(await getHttpOperationsFromSpec(description), { cors: false, config, components: { logger } });
await prism.listen(0, "127.0.0.1");
console.log(`${await listening(servers[1])} ${upstream}`);

for await (const line of createInterface({ input: process.stdin })) {
  ahead = Number(line) - MachineDate.now();
  console.log("ok");
}
process.exit();
