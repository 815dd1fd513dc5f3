// Auth0's guard for Express (npm express-oauth2-jwt-bearer) on an API: what it answers to each token on stdin.
// Environment: ISSUER, AUDIENCE. Stdin: a JSON list of tokens; stdout: for each, the statuses of two routes.
import { text } from 'node:stream/consumers';

import express from 'express';
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer';

const { ISSUER, AUDIENCE } = process.env;
const app = express();
app.use(auth({ issuerBaseURL: ISSUER, audience: AUDIENCE }));
app.get('/authtest', (request, response) => response.json(request.auth.payload));
app.get('/blogs', requiredScopes('read:blog'), (request, response) => response.json({}));
app.use((error, request, response, next) => response.status(error.status ?? 500).set(error.headers ?? {}).end());

const tokens = JSON.parse(await text(process.stdin));
const listening = app.listen(0, '127.0.0.1', async () => {
  const told = [];
  for (const token of tokens) {
    const statuses = [];
    for (const path of ['/authtest', '/blogs']) {
      const url = `http://127.0.0.1:${listening.address().port}${path}`;
      statuses.push((await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status);
    }
    told.push(statuses);
  }
  process.stdout.write(JSON.stringify(told));
  listening.close();
});
