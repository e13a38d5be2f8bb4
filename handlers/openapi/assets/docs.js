// Shows openapi.json. Everything is below the page's own address, so that it
// works whatever path the API is served under.
'use strict';

// The library's style sheet is dark where this class is, but the switch for it
// is in a part of the library that is not here.
const dark = matchMedia('(prefers-color-scheme: dark)');
const dress = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', dress);
dress();

SwaggerUIBundle({
  dom_id: '#docs',
  url: 'openapi.json',
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  // Its badge would ask a server elsewhere.
  validatorUrl: null,
});
