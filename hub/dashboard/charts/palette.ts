import { useMemo, useSyncExternalStore } from 'react';
import { isDark, onThemeChange } from '../lib/theme.ts';

/** Colours of PatternFly for what is drawn on a canvas, where style sheets do not reach. */

const TOKENS = {
  text: '--pf-t--global--text--color--regular',
  subtle: '--pf-t--global--text--color--subtle',
  surface: '--pf-t--global--background--color--primary--default',
  floating: '--pf-t--global--background--color--floating--default',
  line: '--pf-t--global--border--color--default',
  brand: '--pf-t--global--color--brand--default',
  danger: '--pf-t--global--icon--color--status--danger--default',
} as const;

export type Palette = Readonly<Record<keyof typeof TOKENS, string>>;

const readPalette = (): Palette => {
  const style = getComputedStyle(document.documentElement);
  const colours = Object.entries(TOKENS).map(([name, token]) => [name, style.getPropertyValue(token).trim()]);
  return Object.fromEntries(colours) as Palette;
};

const palettes = new Map<boolean, Palette>();

/** They change with the theme and with nothing else. */
const paletteOf = (dark: boolean): Palette => {
  const palette = palettes.get(dark) ?? readPalette();
  palettes.set(dark, palette);
  return palette;
};

export const usePalette = (): Palette => {
  const dark = useSyncExternalStore(onThemeChange, isDark);
  return useMemo(() => paletteOf(dark), [dark]);
};
