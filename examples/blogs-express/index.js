// A blog API whose endpoints only open for access tokens of your Gatewright server.
'use strict';

const express = require('express');
const { expressjwt } = require('express-jwt');
const jwtAuthz = require('express-jwt-authz');
const { expressJwtSecret } = require('jwks-rsa');

// The three values that guard an API.
const issuer = process.env.GATEWRIGHT_ISSUER || 'http://localhost:8844/';
const audience = process.env.GATEWRIGHT_AUDIENCE || 'https://blog-api';
const algorithms = (process.env.GATEWRIGHT_ALGORITHMS || 'RS256').split(/[\s,]+/);
const port = Number(process.env.PORT || 3000);

// express-jwt leaves the claims at req.auth; express-jwt-authz must be told so.
const requires = (...scopes) => jwtAuthz(scopes, { customUserKey: 'auth', checkAllScopes: true });

const app = express();

app.use(expressjwt({
  secret: expressJwtSecret({
    jwksUri: new URL('.well-known/jwks.json', issuer).href,
    cache: true,
    rateLimit: true,
  }),
  audience,
  issuer,
  algorithms,
}));

app.get('/authtest', (req, res) => res.json({ loggedin: true }));
app.get('/blogs', requires('read:blog'), (req, res) => res.json({ readBlogAccess: true }));
app.post('/blogs', requires('create:blog'), (req, res) => res.json({ createBlogAccess: true }));

// A refusal is an answer for programs too: no HTML, no stack.
app.use((error, req, res, next) => {
  if (!error.status) return next(error);
  res.status(error.status).json({ error: error.code || error.name, error_description: error.message });
});

app.listen(port, '127.0.0.1', () => console.log(`Blogs at http://localhost:${port}/, guarded by ${issuer}`));
