// express-session on connect-redis: one process, one session read for each
// request. It is set up as fast as it goes without giving up what it does:
// production mode, nothing saved unless it changed, no touch, no ETag.
//
// Usage: node server.js ADDRESS REDIS_PORT REDIS_DB SESSIONS HEADERS_FILE
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';

import { RedisStore } from 'connect-redis';
import signature from 'cookie-signature';
import express from 'express';
import session from 'express-session';
import { createClient } from 'redis';

const [address, redisPort, database, count, headersFile] = process.argv.slice(2);
const [host, port] = address.split(':');
const secret = randomBytes(32).toString('hex');

const client = createClient({
  socket: { host: '127.0.0.1', port: Number(redisPort) },
  database: Number(database),
});
await client.connect();
const store = new RedisStore({ client, disableTouch: true });

const headers = [];
for (let i = 0; i < Number(count); i++) {
  const id = randomBytes(24).toString('base64url');
  const day = 24 * 60 * 60 * 1000;
  await store.set(id, {
    cookie: { originalMaxAge: day, expires: new Date(Date.now() + day), httpOnly: true, path: '/' },
    name: `User ${i}`,
  });
  headers.push(`Cookie: connect.sid=${encodeURIComponent('s:' + signature.sign(id, secret))}\n`);
}
await writeFile(headersFile, headers.join(''));

const app = express();
app.disable('x-powered-by');
app.set('etag', false);
app.use(session({ store, secret, resave: false, saveUninitialized: false }));
app.get('/', (request, response) => {
  if (request.session.name === undefined) {
    response.status(401).json({ code: 'INVALID_SESSION_ERROR', message: 'Invalid Session' });
    return;
  }
  response.json({ name: request.session.name });
});
app.listen(Number(port), host);
