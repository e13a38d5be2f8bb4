// The form to log in with.

import { logIn } from './api.js';
import { byId, countDown, explain } from './words.js';

const section = byId('login');
const form = byId('login-form');
const error = byId('login-error');
const submit = byId('login-submit');

// While true, another attempt makes no sense. The button keeps the focus, so
// it is not disabled.
let blocked = false;
let stopCounting = () => {};

function block(on, label = 'Log in') {
  blocked = on;
  submit.setAttribute('aria-disabled', on);
  submit.textContent = label;
}

function markField(input, message) {
  input.setAttribute('aria-invalid', message !== '');
  byId(`${input.id}-error`).textContent = message;
}

/** Marks the fields that are empty and returns the first. */
function markMissing(isMissing) {
  const inputs = [form.username, form.password].filter((input) => {
    markField(input, isMissing(input) ? `Please enter your ${input.name}.` : '');
    return isMissing(input);
  });
  return inputs[0];
}

function showFailure(failure) {
  switch (failure.status) {
    case 400:
      markMissing((input) => failure.fields.includes(input.name))?.focus();
      return;
    case 401:
    case 404:
      // Which of the two it was is nobody's business.
      error.textContent = 'Wrong username or password.';
      form.username.setAttribute('aria-invalid', true);
      form.password.setAttribute('aria-invalid', true);
      form.password.focus();
      form.password.select();
      return;
    case 403:
      error.textContent = 'This account is banned.';
      return;
    case 429:
      block(true);
      stopCounting = countDown(error, 'Too many attempts.', failure.retryAfter, () => {
        block(false);
        error.textContent = 'You can try again now.';
      });
      return;
    default:
      error.textContent = explain(failure);
      submit.textContent = 'Try again';
  }
}

/** Prepares the form; whenIn is called after each login. */
export function prepare(whenIn) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (blocked) {
      return;
    }
    error.textContent = '';
    const missing = markMissing((input) => (input === form.password ? input.value : input.value.trim()) === '');
    if (missing) {
      missing.focus();
      return;
    }
    block(true, 'Logging in…');
    try {
      await logIn(form.username.value, form.password.value, form.rememberMe.checked, form.sessionName.value.trim());
    } catch (failure) {
      block(false);
      showFailure(failure);
      return;
    }
    block(false);
    whenIn();
  });
}

/** Shows the form, empty. */
export function show() {
  stopCounting();
  block(false);
  form.reset();
  error.textContent = '';
  markMissing(() => false);
  section.hidden = false;
  form.username.focus();
}

/** Hides the form and forgets what was typed. */
export function hide() {
  section.hidden = true;
  form.reset();
}
