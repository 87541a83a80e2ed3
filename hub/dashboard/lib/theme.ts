/**
 * Light or dark theme: the choice of the user, else the setting of the system. public/theme.js does
 * the same before the first paint.
 */

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const KEY = 'fso-theme';
const DARK_CLASS = 'pf-v6-theme-dark';
const systemIsDark = window.matchMedia('(prefers-color-scheme: dark)');

const isTheme = (value: unknown): value is Theme => THEMES.some((theme) => theme === value);

const storage = (): Storage | undefined => {
  try {
    return window.localStorage;
  } catch {
    // The browser does not store anything for this site.
    return undefined;
  }
};

let chosen: Theme | undefined;

const readTheme = (): Theme => {
  const stored = storage()?.getItem(KEY);
  return isTheme(stored) ? stored : 'system';
};

const listeners = new Set<() => void>();

const isDarkNow = (): boolean => {
  const theme = getTheme();
  return theme === 'dark' || (theme === 'system' && systemIsDark.matches);
};

const show = (): void => {
  document.documentElement.classList.toggle(DARK_CLASS, isDarkNow());
  for (const listener of listeners) listener();
};
systemIsDark.addEventListener('change', show);

export const getTheme = (): Theme => {
  chosen ??= readTheme();
  return chosen;
};

export const setTheme = (theme: Theme): void => {
  chosen = theme;
  storage()?.setItem(KEY, theme);
  show();
};

export const onThemeChange = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** Whether the page is dark now, for parts that are not styled by CSS. */
export const isDark = (): boolean => document.documentElement.classList.contains(DARK_CLASS);
