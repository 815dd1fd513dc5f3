// An OpenID provider on the loopback: client credentials, a JWT access token for each resource named but one,
// whose tokens are opaque; the client `api` may ask about those (RFC 7662).
// Environment: PORT, KEYS (a file of private keys; each start puts new ones in front of them).
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

import { Provider, errors } from 'oidc-provider';

const { PORT, KEYS, CLIENT_SECRET } = process.env;

function made(alg, type, options) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), alg, kid: randomUUID(), use: 'sig' };
}

const before = existsSync(KEYS) ? JSON.parse(readFileSync(KEYS, 'utf8')) : [];
const keys = [
  made('RS256', 'rsa', { modulusLength: 2048 }),
  made('ES256', 'ec', { namedCurve: 'P-256' }),
  made('EdDSA', 'ed25519', {}),
  made('Ed25519', 'ed25519', {}),
  ...before,
];
writeFileSync(KEYS, JSON.stringify(keys), { mode: 0o600 });

// The algorithm an API wants its tokens signed with.
const apis = {
  'https://blog-api': 'RS256',
  'https://blog-api/es256': 'ES256',
  'https://blog-api/eddsa': 'EdDSA',
  'https://blog-api/ed25519': 'Ed25519',
  'https://another-api': 'RS256',
};

const opaque = ['https://opaque-api', 'https://another-opaque-api'];

function client(id, grants) {
  return {
    client_id: id,
    client_secret: CLIENT_SECRET,
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: grants,
    redirect_uris: [],
    response_types: [],
  };
}

const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  jwks: { keys },
  clients: [client('app', ['client_credentials']), client('api', [])],
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (ctx, asking) => asking.clientId === 'api' },
    revocation: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(ctx, resource) {
        if (opaque.includes(resource)) {
          return { audience: resource, scope: 'read:blog', accessTokenFormat: 'opaque' };
        }
        if (!(resource in apis)) throw new errors.InvalidTarget();
        return {
          audience: resource,
          scope: 'read:blog create:blog',
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: apis[resource] } },
        };
      },
    },
  },
  scopes: ['read:blog', 'create:blog'],
});
// An ID token without the browser that would ask for it: signed as every other, with the provider's own code.
provider.use(async (ctx, next) => {
  if (ctx.path !== '/id-token') return next();
  const client = await provider.Client.find('app');
  ctx.oidc = new provider.OIDCContext(ctx);
  const idToken = new provider.IdToken({ sub: 'somebody' }, { ctx, client });
  idToken.scope = 'openid';
  idToken.set('nonce', randomUUID());
  ctx.body = await idToken.issue({ use: 'idtoken' });
});
provider.listen(Number(PORT), '127.0.0.1');
