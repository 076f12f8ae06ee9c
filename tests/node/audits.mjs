// Runs the published audits of GraphQL over HTTP against a server, and says what each of them found.
import { serverAudits } from "graphql-http";

const { url, token } = JSON.parse(process.argv[2]);
const fetchFn = (to, options = {}) =>
  fetch(to, { ...options, headers: { ...options.headers, authorization: `Bearer ${token}` } });

for (const audit of serverAudits({ url, fetchFn })) {
  const { id, name, status, reason } = await audit.fn();
  console.log(JSON.stringify({ id, name, status, reason }));
}
