/*
 * Before the first paint and therefore not part of the modules: the theme that was chosen, else the
 * system's (components/theme.ts).
 */
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem('fso-theme');
  } catch {
    // A browser that keeps nothing for this site follows the system.
  }
  const dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.classList.toggle('pf-v6-theme-dark', dark);
})();
