// Fastly Compute, in JavaScript: a handler around yours that logs one record per request
//
// 1. Make an HTTPS logging endpoint for the service, as `edgetally formats fastly` describes it: name `edgetally`, message
//    type Blank, newline delimited. Compute has no use for its placement and its format.
// 2. Put this around your program. In Rust and Go it is the same: one line of JSON to the endpoint `edgetally`.
//
// This was written by Fastly's documentation and never tried with a service.
import { env } from "fastly:env";
import { Logger } from "fastly:logger";

addEventListener("fetch", (event) => event.respondWith(counted(event, handle)));

// FILL IN: your program. Ask origins by `ask("backend", request)`, not by `fetch(request, { backend: "backend" })`, and
// each of them is a fetch that counts.
async function handle(request, ask) {
  return ask("app", request);
}

async function counted(event, handle) {
  const began = Date.now();
  const origins = [];

  async function ask(backend, request) {
    const one = { name: backend };
    origins.push(one);
    const asked = Date.now();
    const response = await fetch(request, { backend });
    one.ttfb_ms = Date.now() - asked;
    one.status = response.status;
    one.beresp_header_bytes = headerBytes(response.headers);
    return response;
  }

  let response;
  try {
    response = await handle(event.request, ask);
    return response;
  } finally {
    const headers = response?.headers;
    const record = {
      ts: Date.now() / 1000,
      service_id: env("FASTLY_SERVICE_ID"),
      pop: env("FASTLY_POP"),
      domain: new URL(event.request.url).host,
      compute: true,
      compute_request_time_ms: Date.now() - began,
      status: response?.status ?? 500,
      req_header_bytes: headerBytes(event.request.headers),
      req_body_bytes: event.request.headers.get("content-length"),
      resp_header_bytes: headers && headerBytes(headers),
      resp_body_bytes: headers?.get("content-length"),
      origins,
    };
    new Logger("edgetally").log(JSON.stringify(record));
  }
}

// As HTTP/1.1 would write them, but for the first line.
function headerBytes(headers) {
  let bytes = 2;
  for (const [name, value] of headers) {
    bytes += name.length + value.length + 4;
  }
  return bytes;
}

// What cannot be known from these logs:
// - Sizes as they were on the wire: headers count as HTTP/1.1 would write them, and bodies as their Content-Length
//   announces them; without one, they do not count.
// - What was sent to origins: there are no compute_bereq_… sizes.
// - How much CPU time the program took.
// - What happens after `handle` has returned: the rest of a body that is streamed.
// - The addresses of origins: they go by the names of their backends.
