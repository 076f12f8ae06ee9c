// The same receiver as tests/receiver.py, with the published package for Node.
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const log = [];
const control = {};

function verified(body, headers) {
  try {
    new Webhook(control.secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (request.method === "PUT") {
    Object.assign(control, JSON.parse(body));
    response.writeHead(204).end();
  } else if (request.method === "GET") {
    response.writeHead(200).end(JSON.stringify(log));
  } else {
    const good = verified(body, request.headers);
    const status = good ? (control.status ?? 204) : 400;
    log.push({
      id: request.headers["webhook-id"],
      timestamp: request.headers["webhook-timestamp"],
      signature: request.headers["webhook-signature"],
      body: body.toString("base64"),
      path: request.url,
      verified: good,
      status,
      arrived: Date.now() / 1000,
    });
    response.writeHead(status).end();
  }
});

server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log(server.address().port));
