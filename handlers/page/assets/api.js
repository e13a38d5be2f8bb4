// The API as functions, one for each call. Whatever goes wrong is a Failure.

const base = document.querySelector('meta[name="api-base"]').content;

// The longest that a login may take: it can wait for its turn to hash.
const timeoutMilliseconds = 30_000;

/** Why a call did not succeed. A status of 0 means that no answer came. */
export class Failure extends Error {
  constructor(status, body = {}, retryAfter = 0) {
    super(body.code ?? `HTTP ${status}`);
    this.status = status;
    this.code = body.code;
    this.fields = Array.isArray(body.fields) ? body.fields : [];
    /** Seconds until another attempt makes sense. */
    this.retryAfter = retryAfter;
  }
}

// sessionStorage ends with the tab and belongs to it alone. Where a browser
// forbids it, the token lasts until the next reload.
const key = 'sessiond';
let kept = null;
try {
  kept = JSON.parse(sessionStorage.getItem(key));
} catch {
  // Forbidden, or not ours: as if there were none.
}

/** Whether this tab has a token. It may have been ended all the same. */
export const hasToken = () => typeof kept?.token === 'string';

/** Whether the token's own time is over. */
export const tokenExpired = () => kept?.exp * 1000 <= Date.now();

function keep(auth) {
  kept = auth;
  try {
    if (auth) {
      sessionStorage.setItem(key, JSON.stringify({ token: auth.token, exp: auth.exp }));
    } else {
      sessionStorage.removeItem(key);
    }
  } catch {
    // Forbidden.
  }
}

export const forgetToken = () => keep(null);

async function call(method, path, { body, headers = {} } = {}) {
  if (body) {
    headers['Content-Type'] = 'application/json';
  }
  let response;
  let answer;
  try {
    response = await fetch(base + path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMilliseconds),
    });
    answer = await response.json();
  } catch {
    // No answer, or one from something else in between.
    throw new Failure(response && !response.ok ? response.status : 0);
  }
  if (!response.ok) {
    throw new Failure(response.status, answer ?? {}, Number(response.headers.get('Retry-After')) || 30);
  }
  return answer;
}

const signedIn = (method, path, body) =>
  call(method, path, { body, headers: { Authorization: `Bearer ${kept?.token}` } });

/** Logs in and keeps the token. */
export async function logIn(username, password, rememberMe, sessionName) {
  const headers = {};
  if (sessionName) {
    // fetch sends each character of a header as one byte and refuses those
    // above U+00FF; the API reads UTF-8.
    headers['X-Session-Name'] = String.fromCharCode(...new TextEncoder().encode(sessionName));
  }
  keep(await call('POST', '/login', { headers, body: { username, password, rememberMe } }));
}

const mine = '/users/me/sessions';

/** A page of this account's sessions, newest first: {count, items}. */
export const listSessions = (limit, offset) => signedIn('GET', `${mine}?full=true&limit=${limit}&offset=${offset}`);

/** Renames a session and returns it. */
export const renameSession = (id, name) => signedIn('PUT', `${mine}/${encodeURIComponent(id)}/name`, { name });

/** Ends a session: an ID, or 'me' for this one. */
export const endSession = (id) => signedIn('DELETE', `${mine}/${encodeURIComponent(id)}`);

/** Ends all sessions but this one: {count}. */
export const endOtherSessions = () => signedIn('DELETE', `${mine}/all`);
