import { OBSERVED_KINDS, ROUND_PARTS } from '@fso/shared/protocol';
import { describe, expect, it } from 'vitest';
import { EVIDENCE, missingEvidence } from './evidence.ts';

describe('the table of evidence', () => {
  const { policies: _all, ...claims } = EVIDENCE;

  it.each(OBSERVED_KINDS)('names the claim that rests on %s', (kind) => {
    expect(Object.values(claims).some(({ kinds }) => kinds.includes(kind))).toBe(true);
  });

  it.each(ROUND_PARTS.filter((part) => part !== 'status'))('names the claim that rests on the part %s', (part) => {
    expect(Object.values(claims).some(({ parts }) => parts.includes(part))).toBe(true);
  });

  it('leaves a claim alone whose evidence is current', () => {
    expect(missingEvidence('guard', ['Pod', 'gatekeeper'])).toEqual([]);
    expect(missingEvidence('violations', ['Pod', 'gatekeeper'])).toEqual(['Pod']);
    expect(missingEvidence('policies', ['Pod', 'gatekeeper'])).toEqual(['Pod', 'gatekeeper']);
    expect(missingEvidence('injection', ['Pause'])).toEqual(['Pause']);
  });
});
