// Auth0's SDK for Node.js (npm auth0) does what a team does with its tenant; one JSON object tells what came of it.
// Environment: AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET or AUTH0_CLIENT_ASSERTION_KEY (PEM), NAME.
import { readFileSync } from 'node:fs';

import { ManagementClient } from 'auth0';
import { AuthenticationClient } from 'auth0/legacy';

const { AUTH0_DOMAIN: domain, AUTH0_CLIENT_ID: clientId, NAME: name } = process.env;
const key = process.env.AUTH0_CLIENT_ASSERTION_KEY;
const proof = key
  ? { clientAssertionSigningKey: readFileSync(key, 'utf8') }
  : { clientSecret: process.env.AUTH0_CLIENT_SECRET };
const identifier = `https://${name}`;
const told = {};

async function all(pages) {
  const found = [];
  for await (const each of await pages) found.push(each);
  return found;
}

const authentication = new AuthenticationClient({ domain, clientId, ...proof });
const token = await authentication.oauth.clientCredentialsGrant({ audience: `https://${domain}/api/v2/` });
told.token = Object.keys(token.data).sort();

const auth0 = new ManagementClient({ domain, clientId, ...proof });
const api = await auth0.resourceServers.create({ identifier, name, scopes: [{ value: 'read:blog' }] });
told.api = await auth0.resourceServers.get(encodeURIComponent(identifier));
told.apis = (await all(auth0.resourceServers.list({ per_page: 1 }))).map((each) => each.identifier);
told.lifetime = (await auth0.resourceServers.update(api.id, { token_lifetime: 60 })).token_lifetime;

const client = await auth0.clients.create({ name, app_type: 'non_interactive' });
told.clients = (await all(auth0.clients.list({ per_page: 1 }))).map((each) => each.name);
told.renamed = (await auth0.clients.update(client.client_id, { name: `${name} again` })).name;
const rotated = await auth0.clients.rotateSecret(client.client_id);
told.rotated = rotated.client_secret !== client.client_secret;

const grant = await auth0.clientGrants.create({ client_id: client.client_id, audience: identifier, scope: [] });
told.grants = (await all(auth0.clientGrants.list({ take: 1 }))).filter((each) => each.id === grant.id).length;
told.granted = (await auth0.clientGrants.update(grant.id, { scope: ['read:blog'] })).scope;

told.keys = (await auth0.keys.signing.list()).map((each) => Boolean(each.current) + 2 * Boolean(each.next)).sort();
const logs = await auth0.logs.list({ per_page: 3, page: 0 });
told.logs = logs.data.length;
told.next = (await logs.getNextPage()).data.length;

await auth0.clientGrants.delete(grant.id);
await auth0.clients.delete(client.client_id);
await auth0.resourceServers.delete(api.id);
try {
  await auth0.clients.get(client.client_id);
} catch (error) {
  told.gone = [error.statusCode, error.body?.errorCode];
}
process.stdout.write(JSON.stringify(told));
