// The API of the tutorial with today's packages: express-jwt has a named export and puts the claims
// at req.auth, so express-jwt-authz has to be told where they are.
'use strict';

const express = require('express');
const { expressjwt } = require('express-jwt');
const jwtAuthz = require('express-jwt-authz');
const jwksRsa = require('jwks-rsa');

const { GATEWRIGHT_ISSUER: ISSUER, GATEWRIGHT_AUDIENCE: AUDIENCE, PORT } = process.env;
const requires = (scope) => jwtAuthz([scope], { customUserKey: 'auth' });

const app = express();

app.use(expressjwt({
  secret: jwksRsa.expressJwtSecret({
    cache: true,
    rateLimit: true,
    jwksRequestsPerMinute: 25,
    jwksUri: `${ISSUER}.well-known/jwks.json`,
  }),
  audience: AUDIENCE,
  issuer: ISSUER,
  algorithms: ['RS256'],
}));

app.get('/authtest', (req, res) => res.json({ loggedin: true }));
app.get('/blogs', requires('read:blog'), (req, res) => res.json({ readBlogAccess: true }));
app.post('/blogs', requires('create:blog'), (req, res) => res.json({ createBlogAccess: true }));

app.listen(Number(PORT), '127.0.0.1', () => console.log('ready'));
