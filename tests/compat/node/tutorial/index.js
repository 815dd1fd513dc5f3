// The API of the tutorial, guarded with the packages of its day: express-jwt 6 puts the claims at
// req.user, where express-jwt-authz looks for them.
'use strict';

const express = require('express');
const jwt = require('express-jwt');
const jwtAuthz = require('express-jwt-authz');
const jwksRsa = require('jwks-rsa');

const { GATEWRIGHT_ISSUER: ISSUER, GATEWRIGHT_AUDIENCE: AUDIENCE, PORT } = process.env;

const app = express();

app.use(jwt({
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
app.get('/blogs', jwtAuthz(['read:blog']), (req, res) => res.json({ readBlogAccess: true }));
app.post('/blogs', jwtAuthz(['create:blog']), (req, res) => res.json({ createBlogAccess: true }));

app.listen(Number(PORT), '127.0.0.1', () => console.log('ready'));
