import { expect, it } from 'vitest';
import { BranchName } from './planned-branch.ts';

it.each(['main', 'team/tighten-finance', 'v1.2', 'a@b', 'Ümlaut', '日本語', 'a;b', '<b>', `${'a'.repeat(200)}`])('takes %s', (name) => {
  expect(BranchName.safeParse(name).success).toBe(true);
});

it.each([
  ...[
    '',
    '-x',
    '/x',
    'x/',
    '.x',
    'x/.y',
    'x.',
    'x..y',
    'x//y',
    'x@{y',
    'x.lock',
    'x.lock/y',
    'x y',
    'x~y',
    'x^',
    'x:y',
    'x?',
    'x*',
    'x[y',
    'x\\y',
  ],
  ...['x\u0000', 'x\ny', 'x\u007f', 'x\u202ey', 'x\u200by', 'x\u2028y', 'x\u00a0y', '\ud800', 'a'.repeat(201)],
])('refuses %j', (name) => {
  expect(BranchName.safeParse(name).success).toBe(false);
});
