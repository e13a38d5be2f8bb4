// "Where you're logged in": the login form for who has no token, else the list.

import { forgetToken, hasToken } from './api.js';
import * as login from './login.js';
import * as sessions from './sessions.js';
import { byId, notify } from './words.js';

const title = document.title;

function showLogin(message = '') {
  forgetToken();
  sessions.hide();
  document.title = `Log in – ${title}`;
  login.show();
  notify(message);
}

function showSessions() {
  login.hide();
  document.title = title;
  notify();
  // Where the form was, a keyboard or a screen reader would be nowhere.
  byId('heading').focus();
  sessions.show();
}

login.prepare(showSessions);
sessions.prepare(showLogin);
if (hasToken()) {
  showSessions();
} else {
  showLogin();
}
