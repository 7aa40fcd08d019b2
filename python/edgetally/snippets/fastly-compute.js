// Fastly Compute, in JavaScript: a handler around yours that logs one record per request
//
// 1. Create an HTTPS logging endpoint for the service as in `edgetally formats fastly`: name `edgetally`, message type
//    Blank, newline delimited. Compute ignores its placement and its format.
// 2. Wrap your program in this handler. In Rust and Go, log the same: one line of JSON to the endpoint `edgetally`.
//
// Written from Fastly's documentation, not tested with a service.
import { env } from "fastly:env";
import { Logger } from "fastly:logger";

addEventListener("fetch", (event) => event.respondWith(counted(event, handle)));

// FILL IN: your program. Call `ask("backend", request)` instead of `fetch(request, { backend: "backend" })`: only then
// does a fetch count.
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
      ipv6: event.client.address,
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

// As HTTP/1.1 would write them, without the first line.
function headerBytes(headers) {
  let bytes = 2;
  for (const [name, value] of headers) {
    bytes += name.length + value.length + 4;
  }
  return bytes;
}

// What cannot be known from these logs
//
// - Sizes on the wire: headers count as HTTP/1.1 would write them, bodies as their Content-Length, or not at all
//   without one.
// - Sizes sent to origins.
// - CPU time.
// - What happens after `handle` returned: the rest of a streamed body.
// - Addresses of origins: only their backends' names.
