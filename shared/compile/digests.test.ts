import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeFiles, type PolicySet, type SourceFile } from '../decode/index.ts';
import { clusterFile, setOf } from '../decode/testing/decoded.ts';
import { sha256 } from '../encoding/index.ts';
import { compileFleet } from './compile.ts';
import digests from './testing/digests.json' with { type: 'json' };
import { randomFiles } from './testing/random-sets.ts';

/**
 * Digests of repositories without a catalogue, as they were compiled before there was one: what
 * agents have accepted stays what it is.
 */

const ROOT = join(import.meta.dirname, '../..');

const samples = (): readonly SourceFile[] =>
  globSync('{policies,regions}/**/*.yaml', { cwd: join(ROOT, 'clusters/samples') })
    .map((path) => path.replaceAll('\\', '/'))
    .map((path) => ({ path, text: readFileSync(join(ROOT, 'clusters/samples', path), 'utf8') }));

const FLEET = [clusterFile('eu', ['eu-west-1', 'eu-central-1']), clusterFile('us', ['us-east-1']), clusterFile('apac', ['ap-southeast-1'])];

const digestOf = (set: PolicySet): string =>
  sha256([...compileFleet(set)].map(([cluster, { digest }]) => `${cluster} ${digest}\n`).join(''));

describe('a repository without a catalogue compiles as before', () => {
  it('the samples', () => {
    expect(digestOf(setOf(...samples(), ...FLEET))).toBe(digests.samples);
  });

  it('the repository that fso init makes', () => {
    const text = readFileSync(join(ROOT, 'hub/cli/commands/repository/samples.json'), 'utf8');
    const files = Object.entries(JSON.parse(text) as Record<string, string>).map(([path, content]) => ({ path, text: content }));
    expect(digestOf(setOf(...files, ...FLEET))).toBe(digests.init);
  });

  it(`${digests.random.length} random ones`, () => {
    const compiled = digests.random.map((_, seed) => {
      const decoded = decodeFiles(randomFiles(seed));
      return decoded.ok ? digestOf(decoded.set) : 'invalid';
    });
    expect(compiled).toEqual(digests.random);
  });
});
