import { SilenceRequest } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { localOf } from '../../lib/time.ts';
import { checkSilence, formatMatcher, matcherOf, matchersOfAlert, type SilenceDraft } from './silence-draft.ts';

describe('formatMatcher', () => {
  it('writes label, operator and quoted value', () => {
    expect(formatMatcher(matcherOf('cluster', 'eu-1'))).toBe('cluster="eu-1"');
    expect(formatMatcher({ label: 'name', operator: '=~', value: 'Policy.*|Violations' })).toBe('name=~"Policy.*|Violations"');
  });

  it('escapes what would end the value, and leaves the escapes of a pattern', () => {
    expect(formatMatcher(matcherOf('team', String.raw`a"b\c`))).toBe(String.raw`team="a\"b\\c"`);
    expect(formatMatcher({ label: 'policy', operator: '!~', value: String.raw`a\.b` })).toBe(String.raw`policy!~"a\.b"`);
  });
});

describe('matchersOfAlert', () => {
  it('names what the alert is about, without its severity', () => {
    const labels = { cluster: 'eu', policy: 'team-a/finance', region: 'eu-west-1', team: 'a' };
    expect(matchersOfAlert({ name: 'Violations', labels }).map(formatMatcher)).toEqual([
      'name="Violations"',
      'cluster="eu"',
      'policy="team-a/finance"',
    ]);
    expect(matchersOfAlert({ name: 'SourceUnreachable', labels: {} }).map(formatMatcher)).toEqual(['name="SourceUnreachable"']);
  });
});

describe('checkSilence', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');
  const draft: SilenceDraft = { matchers: [matcherOf('cluster', ' eu ')], from: undefined, until: '4 hours', reason: ' Upgrade ' };
  const problemOf = (changed: Partial<SilenceDraft>): string | undefined => {
    const checked = checkSilence({ ...draft, ...changed }, now);
    return 'problem' in checked ? checked.problem : undefined;
  };

  it('counts a length from now, or from a later beginning', () => {
    const soon = checkSilence(draft, now);
    expect(soon).toEqual({ request: { matchers: ['cluster="eu"'], until: '2026-03-01T16:00:00.000Z', reason: 'Upgrade' } });
    expect(SilenceRequest.safeParse('request' in soon ? soon.request : undefined).success).toBe(true);
    expect(checkSilence({ ...draft, from: localOf('2026-03-02T00:00:00Z') }, now)).toMatchObject({
      request: { from: '2026-03-02T00:00:00.000Z', until: '2026-03-02T04:00:00.000Z' },
    });
    expect(checkSilence({ ...draft, until: { at: localOf('2026-03-01T12:30:00Z') } }, now)).toMatchObject({
      request: { until: '2026-03-01T12:30:00.000Z' },
    });
  });

  it('reports missing and impossible values', () => {
    expect(problemOf({})).toBeUndefined();
    expect(problemOf({ matchers: [] })).toMatch(/^Add a matcher/);
    expect(problemOf({ matchers: [...draft.matchers, matcherOf('policy', ' ')] })).toMatch(/^Fill in/);
    expect(problemOf({ from: '' })).toBe('Choose when it begins.');
    expect(problemOf({ until: { at: '' } })).toBe('Choose when it ends.');
    expect(problemOf({ until: { at: localOf('2026-03-01T11:00:00Z') } })).toMatch(/^It must end after/);
    const from = localOf('2026-03-02T00:00:00Z');
    expect(problemOf({ from, until: { at: localOf('2026-03-01T13:00:00Z') } })).toMatch(/^It must end after/);
    expect(problemOf({ reason: '  ' })).toMatch(/^Give a reason/);
  });
});
