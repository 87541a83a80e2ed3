import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { byText } from '@fso/shared/encoding';
import { build } from 'vite';
import { afterAll, describe, expect, it } from 'vitest';
import { noticesOf } from '../harness/notices.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'fso-notices-'));

afterAll(() => rmSync(folder, { recursive: true }));

/** Builds with maps from the code to its sources. @returns the folder of what was built */
const buildWithMaps = async (config: string): Promise<string> => {
  const outDir = join(folder, basename(dirname(config)));
  await build({ configFile: join(ROOT, config), logLevel: 'error', build: { outDir, emptyOutDir: true, sourcemap: true } });
  return outDir;
};

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
}

interface SourceMap {
  readonly sources: readonly string[];
}

const PACKAGE = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/;

/** Names and versions of the packages that have code in a build: maps name no JSON. */
const packagesIn = (outDir: string): readonly string[] => {
  const maps = globSync('**/*.map', { cwd: outDir }).map((file) => join(outDir, file));
  const sources = maps.flatMap((map) =>
    (JSON.parse(readFileSync(map, 'utf8')) as SourceMap).sources.map((source) => join(dirname(map), source)),
  );
  const folders = new Set(sources.flatMap((source) => PACKAGE.exec(source)?.[0] ?? []));
  const titles = [...folders].map((path) => {
    const { name, version } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as { name: string; version: string };
    return `${name} ${version}`;
  });
  return [...new Set(titles)].toSorted(byText);
};

describe('third-party notices', () => {
  it('cover each package in the dashboard, its fonts and its icons', async () => {
    const outDir = await buildWithMaps('hub/dashboard/vite.config.ts');
    const notices = noticesOf(outDir);
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'hub/dashboard/package.json'), 'utf8')) as Manifest;
    const packages = [...packagesIn(outDir), `world-atlas ${dependencies['world-atlas']}`];

    expect(packages.length).toBeGreaterThan(20);
    expect(notices.slice(0, -2).map(({ title }) => title)).toEqual(packages.toSorted(byText));
    expect(notices.slice(-2).map(({ title, license }) => [title, license])).toEqual([
      ['Red Hat fonts', 'OFL-1.1'],
      ['Font Awesome Free icons', 'CC-BY-4.0'],
    ]);
    expect(notices.filter(({ text }) => !/copyright|licen[cs]ed under/i.test(text))).toEqual([]);
    const textOf = (name: string): string => notices.find(({ title }) => title.startsWith(`${name} `))?.text ?? '';
    expect(textOf('echarts')).toContain('This product includes software developed at\nThe Apache Software Foundation');
    expect(textOf('Red Hat')).toContain('SIL OPEN FONT LICENSE Version 1.1');
    // Another font would need another notice; pficon is PatternFly's own.
    const fonts = readdirSync(join(outDir, 'assets')).filter((file) => /\.(woff2?|ttf|otf)$/.test(file));
    expect(fonts.filter((file) => !/^(RedHat|pf-v6-pficon)/.test(file))).toEqual([]);
    expect(fonts.length).toBeGreaterThan(1);
  });

  it('cover each package in the command line', async () => {
    const outDir = await buildWithMaps('deploy/cli.vite.config.ts');
    expect(packagesIn(outDir).length).toBeGreaterThan(2);
    expect(noticesOf(outDir).map(({ title }) => title)).toEqual(packagesIn(outDir));
  });
});
