/**
 * Prints the way of one policy: which files ran functions for its commit alone, which folders
 * called which, and which types carried it.
 *
 *   npm run policy-way -- [--tree ../other] [--seconds 60] [--functions]
 *
 * A tree is a checkout of this repository with its dependencies.
 */
import { resolve } from 'node:path';
import { shutdownSignal } from '@fso/shared/runtime';
import { readOptions } from '../harness/options.ts';
import { sourceFiles } from '../harness/source-imports.ts';
import { measure } from './measure.ts';
import { policyShapes } from './shapes.ts';
import { roomOf, type Way, wayOf } from './way.ts';

const USAGE = 'npm run policy-way -- [--tree ../other] [--seconds 60] [--functions]';
const values = readOptions(USAGE, {
  tree: { type: 'string', default: resolve(import.meta.dirname, '../..') },
  seconds: { type: 'string', default: '60' },
  functions: { type: 'boolean', default: false },
});
const root = resolve(values.tree);

const printWay = ({ program, files, handOvers }: Way): void => {
  console.log(`\n${program}: ${files.length} files`);
  for (const [room, inRoom] of Map.groupBy(files, ({ file }) => roomOf(file))) {
    console.log(`  ${room}`);
    for (const { file, functions } of inRoom) {
      const names = functions.map(({ functionName }) => functionName || '=>').join(' ');
      console.log(`    ${file}: ${functions.length}${values.functions ? ` ${names}` : ''}`);
    }
  }
  const pairs = Map.groupBy(handOvers, ({ from, to }) => `${from} → ${to}`);
  console.log(`  ${handOvers.length} hand-overs`);
  for (const [pair, all] of pairs) console.log(`    ${pair}: ${all.map(({ name }) => name).join(' ')}`);
};

const version = { name: 'new', root, commit: 'the tree' } as const;
const runs = await measure({ version, seconds: Number(values.seconds), log: (line) => console.error(line) }, shutdownSignal());
const ways = runs.map((run) => wayOf(root, run));
for (const way of ways) printWay(way);

const files = [...new Set(ways.flatMap((way) => way.files.map(({ file }) => file)))];
const sources = ['shared', 'hub', 'agent']
  .flatMap((folder) => sourceFiles(resolve(root, folder)).map((file) => `${folder}/${file}`))
  .filter((file) => !file.startsWith('hub/dashboard/'));
const shapes = policyShapes(root, sources, files);
console.log(`\ntypes that carry the policy\n  ${shapes.join(' ')}`);
console.log('\n| files | functions | folders | hand-overs | types |\n| --- | --- | --- | --- | --- |');
const functions = ways.flatMap((way) => way.files).reduce((sum, file) => sum + file.functions.length, 0);
const handOvers = ways.reduce((sum, way) => sum + way.handOvers.length, 0);
console.log(`| ${files.length} | ${functions} | ${new Set(files.map(roomOf)).size} | ${handOvers} | ${shapes.length} |`);
