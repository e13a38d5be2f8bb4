// The list of sessions, and what can be done with them.

import * as api from './api.js';
import * as dialogs from './dialogs.js';
import { byId, counted, countDown, explain, fromNow, iconOf, inFull, isJustNow, notify, quoted } from './words.js';

const pageSize = 50;
const section = byId('sessions');
const heading = byId('heading');
const list = byId('list');
const logOut = byId('log-out');

let offset = 0;
let count = 0;
// Counts the loads: of several under way, the last one is shown.
let loads = 0;
// Counts the times that the list was shown: answers to an earlier login's
// requests are no concern of this one's.
let visits = 0;
let loggingOut = false;
let stopCounting = () => {};
let leave;

/** Runs a call; a session that has ended, or a ban, ends it all. */
async function guarded(call) {
  const visit = visits;
  try {
    return await call;
  } catch (failure) {
    if (visit !== visits || section.hidden) {
      throw failure;
    }
    if (failure.status === 401) {
      leave(api.tokenExpired()
        ? 'Your session has expired. Please log in again.'
        : 'This session was ended, so you’re logged out. Please log in again.');
    } else if (failure.code === 'BANNED_ERROR') {
      leave('This account is banned.');
    }
    throw failure;
  }
}

function showError(failure) {
  const text = byId('list-error-text');
  byId('list-error').hidden = !failure;
  stopCounting();
  byId('retry').removeAttribute('aria-disabled');
  if (!failure) {
    text.textContent = '';
  } else if (failure.status === 429) {
    byId('retry').setAttribute('aria-disabled', true);
    stopCounting = countDown(text, 'Too many requests.', failure.retryAfter, () => {
      byId('retry').removeAttribute('aria-disabled');
      text.textContent = 'You can try again now.';
    });
  } else {
    text.textContent = explain(failure);
  }
}

function showLoading(on) {
  byId('loading').hidden = !on;
  byId('loading-text').textContent = on ? 'Loading your sessions…' : '';
  section.setAttribute('aria-busy', on);
}

/** Loads the page at offset and shows it. Tells whether it could. */
async function load() {
  const thisLoad = ++loads;
  const nothingYet = list.childElementCount === 0;
  showError(null);
  showLoading(nothingYet);
  try {
    const page = await guarded(api.listSessions(pageSize, offset));
    if (thisLoad !== loads) {
      return false;
    }
    showLoading(false);
    if (page.items.length === 0 && offset > 0) {
      // The last one of this page was ended.
      offset = Math.max(0, offset - pageSize);
      return load();
    }
    render(page);
    return true;
  } catch (failure) {
    if (thisLoad === loads && api.hasToken()) {
      showLoading(false);
      showError(failure);
    }
    return false;
  }
}

function render(page) {
  count = page.count;
  const focused = document.activeElement?.id;
  list.replaceChildren(...page.items.map(row));
  if (focused) {
    byId(focused)?.focus();
  }
  showCount();
  byId('pages').hidden = count <= pageSize;
  byId('newer').disabled = offset === 0;
  byId('older').disabled = offset + page.items.length >= count;
  byId('range').textContent = `${offset + 1}–${offset + page.items.length} of ${count}`;
}

function showCount() {
  byId('count').textContent = counted(count, 'session', 'sessions');
  byId('end-others').hidden = count <= 1;
  byId('alone').hidden = count !== 1;
}

function row(session) {
  const element = byId('session-template').content.firstElementChild.cloneNode(true);
  const find = (selector) => element.querySelector(selector);
  element.id = `session-${session.id}`;
  element.classList.toggle('current', session.current);
  find('use').setAttribute('href', iconOf(session.userAgent));
  find('.name').textContent = session.name;
  find('.this-one').hidden = !session.current;
  find('.scoped').hidden = session.permissionFlags === null;
  find('.badges').hidden = find('.this-one').hidden && find('.scoped').hidden;
  find('.seen').replaceChildren(...lastUse(session));
  find('.ip').textContent = session.ip ?? 'Unknown';
  find('.created').replaceChildren(inFull(session.createdAt));
  find('.expires').replaceChildren(fromNow(session.exp * 1000));
  find('.agent').textContent = session.userAgent ?? '';
  find('.agent-row').hidden = !session.userAgent;

  // A button is called what is on it and the session's name.
  find('.name').id = `name-${session.id}`;
  for (const action of ['rename', 'end']) {
    const button = find(`.${action}`);
    button.id = `${action}-${session.id}`;
    button.setAttribute('aria-labelledby', `${button.id} name-${session.id}`);
  }
  find('.rename').addEventListener('click', () => rename(session));
  if (session.current) {
    // Ending this one is logging out, which has a button of its own.
    find('.end').remove();
  } else {
    find('.end').addEventListener('click', () => end(session));
  }
  return element;
}

function lastUse(session) {
  if (session.current || (session.usedAt && isJustNow(session.usedAt))) {
    return ['Active now'];
  }
  return session.usedAt ? ['Last used ', fromNow(session.usedAt)] : ['Not used since it began'];
}

// unlessGone makes a call about one session and returns what it does, or null
// where that session has ended by itself.
async function unlessGone(call) {
  try {
    return await guarded(call);
  } catch (failure) {
    if (failure.status === 404) {
      return null;
    }
    throw failure;
  }
}

function rename(session) {
  dialogs.askName({
    name: session.name,
    save: (name) => unlessGone(api.renameSession(session.id, name)),
    whenDone: (renamed) => {
      if (!renamed) {
        gone(session);
        return;
      }
      byId(`session-${session.id}`)?.replaceWith(row(renamed));
      byId(`rename-${session.id}`)?.focus();
      // The API may have cut or cleaned the name.
      notify('Renamed to ', quoted(renamed.name), '.');
    },
  });
}

function end(session) {
  dialogs.confirm({
    title: 'End this session?',
    text: [quoted(session.name), ' is logged out at once, and has to log in again.'],
    button: 'End session',
    act: () => unlessGone(api.endSession(session.id)),
    whenDone: () => gone(session),
  });
}

/** Takes an ended session off the list and loads what moves up. */
function gone(session) {
  // The list may have been loaded anew while the dialog was open.
  const element = byId(`session-${session.id}`);
  if (element) {
    const neighbour = element.nextElementSibling ?? element.previousElementSibling;
    element.remove();
    count -= 1;
    showCount();
    (neighbour?.querySelector('.end') ?? neighbour?.querySelector('.rename') ?? heading).focus();
  }
  notify(quoted(session.name), ' has ended.');
  load();
}

function endOthers() {
  dialogs.confirm({
    title: 'End all other sessions?',
    text: [`${counted(count - 1, 'other session is', 'other sessions are')} logged out at once. This one goes on.`],
    button: 'End others',
    act: () => guarded(api.endOtherSessions()),
    whenDone: (ended) => {
      offset = 0;
      heading.focus();
      notify(`${counted(ended.count, 'other session has', 'other sessions have')} ended.`);
      load();
    },
  });
}

async function endThisOne() {
  if (loggingOut) {
    return;
  }
  loggingOut = true;
  try {
    await api.endSession('me');
    leave('You’re logged out.');
  } catch (failure) {
    if (failure.status === 401) {
      // It had ended already.
      leave('You’re logged out.');
    } else {
      notify(`You may still be logged in. ${explain(failure)}`);
    }
  } finally {
    loggingOut = false;
  }
}

async function turnTo(newOffset) {
  const before = offset;
  offset = newOffset;
  notify();
  if (await load()) {
    heading.focus();
    window.scrollTo(0, 0);
  } else if (offset === newOffset) {
    offset = before;
  }
}

/** Prepares the list; whenOut(why) is called when there is no session any more. */
export function prepare(whenOut) {
  leave = whenOut;
  logOut.addEventListener('click', endThisOne);
  byId('end-others').addEventListener('click', endOthers);
  byId('newer').addEventListener('click', () => turnTo(Math.max(0, offset - pageSize)));
  byId('older').addEventListener('click', () => turnTo(offset + pageSize));
  byId('retry').addEventListener('click', () => {
    if (!byId('retry').hasAttribute('aria-disabled')) {
      heading.focus();
      load();
    }
  });
  // Who comes back to the tab wants to see what is, not what was.
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && !section.hidden && byId('list-error').hidden && !dialogs.isOpen()) {
      load();
    }
  });
}

/** Shows the list. */
export function show() {
  visits++;
  offset = 0;
  section.hidden = false;
  logOut.hidden = false;
  return load();
}

/** Hides the list, and empties it: the next login may be somebody else's. */
export function hide() {
  loads++;
  stopCounting();
  dialogs.closeAll();
  section.hidden = true;
  logOut.hidden = true;
  list.replaceChildren();
  byId('count').textContent = '';
  byId('end-others').hidden = true;
  byId('alone').hidden = true;
  byId('pages').hidden = true;
}
