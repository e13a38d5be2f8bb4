// The two dialogs: one asks for a name, one asks whether that was meant.

import { byId, explain, notify } from './words.js';

/** Whether one of them is open. */
export const isOpen = () => document.querySelector('dialog[open]') !== null;

/** Closes what is open: the page has turned to something else. */
export const closeAll = () => document.querySelectorAll('dialog[open]').forEach((dialog) => dialog.close());

// prepared makes a dialog whose form does something that may fail: it stays
// open until that is done. Escape and Cancel leave it. The browser gives the
// focus back to where it was.
function prepared(dialog) {
  const form = dialog.querySelector('form');
  const error = dialog.querySelector('[role=alert]');
  let task = {};
  let busy = false;

  dialog.querySelector('.cancel').addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', () => {
    // Unless the list was drawn anew: its buttons are others then.
    if (document.activeElement === document.body) {
      byId(task.opener)?.focus();
    }
  });
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const { isValid, act, whenDone } = task;
    if (busy || !isValid()) {
      return;
    }
    busy = true;
    error.textContent = '';
    dialog.setAttribute('aria-busy', true);
    // Left in the meantime, it may be open for something else by now.
    const stillOpen = () => dialog.open && task.act === act;
    try {
      const result = await act();
      if (stillOpen()) {
        dialog.close();
      }
      whenDone(result);
    } catch (failure) {
      if (stillOpen()) {
        error.textContent = explain(failure);
      }
    } finally {
      busy = false;
      dialog.removeAttribute('aria-busy');
    }
  });

  return (newTask) => {
    task = { isValid: () => true, opener: document.activeElement.id, ...newTask };
    error.textContent = '';
    // It tells of the last thing done.
    notify();
    dialog.showModal();
  };
}

const renameDialog = byId('rename');
const confirmDialog = byId('confirm');
const openRename = prepared(renameDialog);
const openConfirm = prepared(confirmDialog);

/** Asks for another name, until save(name) succeeds. Then whenDone(its result) is called. */
export function askName({ name, save, whenDone }) {
  const input = byId('new-name');
  const complain = (message) => {
    byId('new-name-error').textContent = message;
    input.setAttribute('aria-invalid', message !== '');
  };
  const isValid = () => {
    const empty = input.value.trim() === '';
    complain(empty ? 'Please enter a name.' : '');
    if (empty) {
      input.focus();
    }
    return !empty;
  };
  complain('');
  input.value = name;
  openRename({ isValid, act: () => save(input.value.trim()), whenDone });
  input.select();
}

/** Asks whether to go on, until act() succeeds. Then whenDone(its result) is called. */
export function confirm({ title, text, button, act, whenDone }) {
  byId('confirm-title').textContent = title;
  byId('confirm-text').replaceChildren(...text);
  confirmDialog.querySelector('[type=submit]').textContent = button;
  openConfirm({ act, whenDone });
}
