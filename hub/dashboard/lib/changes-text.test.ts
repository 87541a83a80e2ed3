import { expect, it } from 'vitest';
import { changesText } from './changes-text.ts';

it('names what there is', () => {
  expect(changesText({ added: 1200, changed: 0, removed: 1 })).toBe('1,200 added, 1 removed');
  expect(changesText({ added: 0, changed: 0, removed: 0 })).toBe('none changed');
});
