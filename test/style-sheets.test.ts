import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const DASHBOARD = join(import.meta.dirname, '../hub/dashboard');
const SHEETS = globSync('{app,charts,components,map,pages}/**/*.css', { cwd: DASHBOARD });

/** Selectors of the rules of a sheet, also of those within @media and @container. */
const selectorsOf = (css: string): readonly string[] =>
  [...css.replace(/\/\*.*?\*\//gs, '').matchAll(/([^{};]+)\{/g)]
    .flatMap(([, selectors = '']) => selectors.split(/,(?![^(]*\))/))
    .map((selector) => selector.trim().replace(/\s+/g, ' '))
    .filter((selector) => !selector.startsWith('@'));

describe('style sheets of the dashboard', () => {
  // They stay in the document once their page was shown: what stands in two looks as the page says
  // that was opened last.
  it('share no selector', () => {
    const sheetsOf = new Map<string, Set<string>>();
    for (const sheet of SHEETS) {
      for (const selector of selectorsOf(readFileSync(join(DASHBOARD, sheet), 'utf8')))
        sheetsOf.set(selector, (sheetsOf.get(selector) ?? new Set()).add(sheet));
    }
    const shared = [...sheetsOf].filter(([, sheets]) => sheets.size > 1).map(([selector, sheets]) => [selector, ...sheets]);
    expect(SHEETS.length).toBeGreaterThan(5);
    expect(shared).toEqual([]);
  });
});
