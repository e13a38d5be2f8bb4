// What the page says, and how it shows it. Names and user agents come from
// other people: they are put in as text, never as markup.

/** The element with an ID. */
export const byId = (id) => document.getElementById(id);

/** A name in a sentence, kept from turning the sentence's direction. */
export function quoted(name) {
  const element = document.createElement('bdi');
  element.textContent = `“${name}”`;
  return element;
}

/** Shows text and elements in the notice that all parts of the page share, and has them read out. */
export function notify(...parts) {
  byId('notice').replaceChildren(...parts);
}

// The page is in English, and so are its dates.
const locale = navigator.languages.find((language) => language.startsWith('en')) ?? 'en';
const exact = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });

const minute = 60_000;
const units = [
  ['day', 24 * 60 * minute],
  ['hour', 60 * minute],
  ['minute', minute],
];

function timeElement(date, text, title) {
  const element = document.createElement('time');
  element.dateTime = date.toISOString();
  element.textContent = text;
  element.title = title;
  return element;
}

/** A date, in full. */
export function inFull(value) {
  const date = new Date(value);
  return timeElement(date, exact.format(date), '');
}

/** A date as what lies between it and now, up to a month, else in full. */
export function fromNow(value) {
  const date = new Date(value);
  const distance = date - Date.now();
  if (Math.abs(distance) > 30 * units[0][1]) {
    return inFull(value);
  }
  // A day that began a moment ago is still a day.
  const [unit, length] = units.find(([, length]) => Math.abs(distance) >= 0.98 * length) ?? units.at(-1);
  return timeElement(date, relative.format(Math.round(distance / length), unit), exact.format(date));
}

/** Whether a date lies less than two minutes back: the API notes uses once a minute. */
export const isJustNow = (value) => Date.now() - new Date(value) < 2 * minute;

/** The icon for a user agent. */
export function iconOf(userAgent) {
  if (/Mobi|Android|iPhone|iPad/.test(userAgent)) {
    return '#icon-phone';
  }
  return !userAgent || userAgent.startsWith('Mozilla/') ? '#icon-computer' : '#icon-program';
}

/** "1 session", "2 sessions". */
export const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;

/** What a failure means to the person in front of the page. */
export function explain(failure) {
  switch (failure.status) {
    case 0:
      return 'The server can’t be reached. Please check your connection and try again.';
    case 400:
      return 'The server doesn’t accept that. Please enter something else.';
    case 403:
      return 'You’re not allowed to do that.';
    case 429:
      return 'That was too much at once.';
    default:
      return 'Something went wrong on the server. Please try again.';
  }
}

/**
 * Counts seconds down behind a sentence in an alert. Only the first number is
 * read out: a screen reader that hears each second hears nothing else.
 * Returns a function that stops it.
 */
export function countDown(alert, sentence, seconds, whenOver) {
  const end = Date.now() + seconds * 1000;
  const first = document.createElement('span');
  first.className = 'out-of-sight';
  first.textContent = `Try again in ${counted(seconds, 'second', 'seconds')}.`;
  const ticking = document.createElement('span');
  ticking.setAttribute('aria-hidden', 'true');
  alert.replaceChildren(`${sentence} `, first, ticking);

  let timer;
  const tick = () => {
    // By the clock, as timers of hidden tabs are late.
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left <= 0) {
      whenOver();
      return;
    }
    ticking.textContent = `Try again in ${counted(left, 'second', 'seconds')}.`;
    timer = setTimeout(tick, 1000);
  };
  tick();
  return () => clearTimeout(timer);
}
