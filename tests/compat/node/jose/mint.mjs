// Makes a key for each algorithm named, and signs the claims on standard input with it.
// Writes one JSON object: algorithm -> {"token": ..., "jwks": {"keys": [...]}}.
import { text } from 'node:stream/consumers';

import { SignJWT, calculateJwkThumbprint, exportJWK, generateKeyPair, generateSecret } from 'jose';

const claims = JSON.parse(await text(process.stdin));
const minted = {};
for (const alg of process.argv.slice(2)) {
  const options = { extractable: true };
  const secret = alg.startsWith('HS') ? await generateSecret(alg, options) : undefined;
  const { privateKey, publicKey } = secret ? {} : await generateKeyPair(alg, options);
  const jwk = await exportJWK(secret ?? publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg, kid, typ: 'at+jwt' })
    .sign(secret ?? privateKey);
  minted[alg] = { token, jwks: { keys: [{ ...jwk, alg, kid, use: 'sig' }] } };
}
process.stdout.write(JSON.stringify(minted));
