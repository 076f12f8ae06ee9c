// Follows the feed with the published client of either protocol, going on from the last cursor when it has to reconnect.
import { createClient as overEvents } from "graphql-sse";
import { createClient as overSocket } from "graphql-ws";
import WebSocket from "ws";

const { protocol, url, token, variables } = JSON.parse(process.argv[2]);
const query = `subscription ($after: String, $types: [String!], $channel: String) {
  changes(after: $after, types: $types, channel: $channel) { cursor sequence type }
}`;
const say = (what) => console.log(JSON.stringify(what));
const retrying = { retryAttempts: 600, retryWait: () => new Promise((done) => setTimeout(done, 100)) };
const authorization = `Bearer ${token}`;
const client =
  protocol === "socket"
    ? overSocket({
        url: url.replace("http", "ws"),
        webSocketImpl: WebSocket,
        connectionParams: { authorization },
        shouldRetry: () => true, // also where nobody listens while the server restarts
        on: { connected: () => say({ connected: true }), closed: ({ code, reason }) => say({ closed: code, reason }) },
        ...retrying,
      })
    : overEvents({ url, headers: { authorization }, on: { connected: () => say({ connected: true }) }, ...retrying });

client.subscribe(
  { query, variables },
  {
    next: (result) => {
      say(result);
      if (result.data) variables.after = result.data.changes.cursor;
    },
    error: (error) => say({ error: Array.isArray(error) ? error : (error.reason ?? error.message ?? String(error)) }),
    complete: () => say({ complete: true }),
  },
);
