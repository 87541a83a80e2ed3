import type { CommitView, SourceView } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { eventsOf } from './source.ts';

const time = '2026-01-03T10:30:00Z';
const commit = (letter: string): CommitView => ({
  revision: letter.repeat(40),
  author: 'A <a@example.com>',
  subject: `commit ${letter}`,
  time,
});
const idle: SourceView = { url: 'https://git.example.com/p', ref: 'main', revision: null, rejected: null, error: null, lastFetch: null };
const reasons = (before: SourceView, after: SourceView): string[] => eventsOf(before, after).map((event) => event.reason);

describe('events of the source', () => {
  it('report changes, not states', () => {
    const good = { ...idle, revision: commit('a') };
    const bad = {
      ...good,
      rejected: { commit: commit('b'), problems: [{ path: 'policies/x.yaml', line: 3, column: 5, reason: 'broken' }] },
    };
    const down = { ...bad, error: { message: 'connection refused', since: time } };
    expect(reasons(idle, good)).toEqual(['RevisionAccepted']);
    expect(reasons(good, bad)).toEqual(['CommitRejected']);
    expect(reasons(bad, down)).toEqual(['SourceUnreachable']);
    expect(reasons(down, { ...down, lastFetch: time })).toEqual([]);
    expect(reasons(down, bad)).toEqual(['SourceReachable']);
  });

  it('report a commit that is in force without being trusted, and the reason', () => {
    const taken: SourceView = { ...idle, revision: commit('a'), verification: { state: 'failed', reason: 'unsigned: commit aaa' } };
    expect(reasons(idle, taken)).toEqual(['RevisionAccepted', 'RevisionNotTrusted']);
    const rejected = { commit: commit('b'), problems: [{ code: 'unsigned', reason: 'the commit is not signed' }] };
    expect(eventsOf(idle, { ...idle, rejected })).toMatchObject([{ message: 'unsigned: the commit is not signed' }]);
  });

  it('names the first problem of a rejected commit by place, and how many more there are', () => {
    const problems = [{ path: 'policies/x.yaml', line: 3, column: 5, reason: 'broken' }, { reason: 'too many files' }];
    const [event] = eventsOf(idle, { ...idle, rejected: { commit: commit('b'), problems } });
    expect(event).toMatchObject({ severity: 'alert', revision: commit('b').revision, message: 'policies/x.yaml:3:5: broken (and 1 more)' });
  });
});
