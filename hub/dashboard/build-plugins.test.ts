import { gzipSync } from 'node:zlib';
import type { Rolldown } from 'vite';
import { describe, expect, it } from 'vitest';
import { firstLoads } from './build-plugins.ts';

type Part = { readonly imports?: string[]; readonly dynamicImports?: string[]; readonly page?: string; readonly isEntry?: boolean };

const bundleOf = (parts: Record<string, Part>): Rolldown.OutputBundle => {
  const chunks = Object.entries(parts).map(([fileName, { imports = [], dynamicImports = [], page, isEntry = false }]) => [
    fileName,
    {
      type: 'chunk',
      fileName,
      name: page,
      code: fileName,
      imports,
      dynamicImports,
      isEntry,
      facadeModuleId: page && `/x/pages/${page}.tsx`,
    },
  ]);
  return Object.fromEntries(chunks) as Rolldown.OutputBundle;
};
const size = (...names: string[]): number => names.reduce((sum, name) => sum + gzipSync(name, { level: 9 }).length, 0);

describe('the first load of a page', () => {
  it('is the entry, the page and what both import, each once; not what the page loads later', () => {
    const bundle = bundleOf({
      entry: { isEntry: true, imports: ['app'] },
      app: { imports: ['vendor'], dynamicImports: ['one', 'two', 'other'] },
      vendor: {},
      one: { page: 'one-page', imports: ['vendor', 'table'], dynamicImports: ['chart'] },
      two: { page: 'two-page' },
      other: {},
      table: { imports: ['one'] },
      chart: {},
    });
    expect(Object.fromEntries(firstLoads(bundle))).toEqual({
      'one-page': size('entry', 'app', 'vendor', 'one', 'table'),
      'two-page': size('entry', 'app', 'vendor', 'two'),
    });
  });

  it('is not measured where no page is found', () => {
    expect(() => firstLoads(bundleOf({ entry: { isEntry: true } }))).toThrow('leads to no page');
  });
});
