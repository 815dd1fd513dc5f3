// The strictest readers of metadata and token answers, openid-client and oauth4webapi, ask for tokens.
// Environment: ISSUER, CLIENT_ID, CLIENT_SECRET, AUDIENCE, SCOPE; one JSON object tells what came of it.
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';

const { ISSUER, CLIENT_ID, CLIENT_SECRET, AUDIENCE, SCOPE } = process.env;
const issuer = new URL(ISSUER);
const told = { tokens: [] };

for (const authentication of [openid.ClientSecretPost(CLIENT_SECRET), openid.ClientSecretBasic(CLIENT_SECRET)]) {
  for (const algorithm of ['oidc', 'oauth2']) {
    const config = await openid.discovery(issuer, CLIENT_ID, undefined, authentication, { algorithm });
    const answer = await openid.clientCredentialsGrant(config, { audience: AUDIENCE, scope: SCOPE });
    told.tokens.push([answer.token_type, answer.scope]);
  }
}

const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2' });
const server = await oauth.processDiscoveryResponse(issuer, found);
const client = { client_id: CLIENT_ID };

async function ask(authentication) {
  const parameters = new URLSearchParams({ audience: AUDIENCE });
  const answer = await oauth.clientCredentialsGrantRequest(server, client, authentication, parameters);
  return oauth.processClientCredentialsResponse(server, client, answer);
}

told.members = Object.keys(await ask(oauth.ClientSecretPost(CLIENT_SECRET))).sort();
for (const [name, authentication] of [['post', oauth.ClientSecretPost('wrong')], ['basic', oauth.ClientSecretBasic('wrong')]]) {
  try {
    await ask(authentication);
  } catch (error) {
    told[name] = [error.status, error.error ?? error.cause?.[0]?.scheme];
  }
}
process.stdout.write(JSON.stringify(told));
