import type { Plan } from '@fso/shared/effects';
import fc from 'fast-check';

/** Parts of Markdown and HTML that would be more than text, in any order. */
const HOSTILE = [
  '`',
  '``',
  '\\',
  '|',
  '\\|',
  '\n',
  '\r\n',
  '\n\n# ',
  '\n---\n',
  '\n- ',
  '\n    ',
  '<img src=x onerror=a()>',
  '<!--',
  '-->',
  '<script>',
  '</td>',
  '[a](https://a.example)',
  '![a](https://a.example/b.png)',
  'https://a.example',
  '@ana',
  '#1',
  'acme/policies#1',
  '!1',
  '[[wiki]]',
  ':tada:',
  '$x$',
  '0123456789abcdef0123456789abcdef01234567',
  '**',
  '&lt;',
  '&#96;',
  '\u2028',
  '\u202e',
  '\ud800',
  '\u0000',
  ' ',
  'eu',
];
const text = fc.oneof(
  fc.array(fc.constantFrom(...HOSTILE), { maxLength: 8 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary' }),
);

const rule = fc.record({
  regions: fc.array(text, { maxLength: 7 }),
  injected: fc.array(text, { maxLength: 1 }),
  policies: fc.array(text, { maxLength: 1 }),
});
/** A plan whose names, reasons and mending lines are more than text to Markdown and HTML. */
export const hostilePlan: fc.Arbitrary<Plan> = fc
  .record({ name: text, other: text, rule, count: fc.nat(3) })
  .map(({ name, other, rule, count }) => {
    const pod = { nodeSelector: { 'topology.kubernetes.io/region': name } };
    const revision = count === 2 ? '0123456789abcdef0123456789abcdef01234567' : null;
    const side = { source: name, revision, at: '2026-06-01T00:00:00.000Z', withoutClusters: [other], withoutRegions: [name] };
    const change = { clusters: [name], message: `namespace ${other}: deny tightened`, owners: [name] };
    return {
      version: 1,
      id: count === 0 ? null : '0'.repeat(24),
      result: count === 1 ? ('Accepted' as const) : ('Breaks' as const),
      acceptance: {
        state: count === 1 ? ('Accepted' as const) : ('Beyond' as const),
        plan: '0'.repeat(24),
        by: other,
        at: side.at,
        beyond: [change],
      },
      before: side,
      after: side,
      waves: {
        from: count === 0 ? ('NextCommit' as const) : ('ThisChange' as const),
        waves: [{ name, isImplicit: count === 1, clusters: 9, changed: count, isSkipped: count === 0, names: [name, other] }],
      },
      branch: {
        ...{ ahead: count, behind: count },
        since: { plan: '0'.repeat(24), at: side.at, revision: 'a'.repeat(40), begins: [change], ends: [change], unknown: [other] },
      },
      workloads: null,
      lookedAt: { clusters: 1, policies: 1, namespaces: 1 },
      notLookedAt: [{ clusters: [name, other], reason: 'a reason' }],
      effects: Array.from({ length: count }, () => ({
        clusters: [name, other],
        namespaces: [{ pattern: other, example: other }],
        action: 'deny' as const,
        verdict: 'tightened' as const,
        breaks: true,
        before: rule,
        after: null,
        refused: { pod, reason: `allows "${name}"`, fix: `set ${other}` },
        admitted: null,
        pending: pod,
        usable: [],
        elsewhere: [other],
      })),
    };
  });

/** Elements of a plan that is shown. */
export const PLAN_TAGS: readonly string[] = ['code', 'li', 'p', 'strong', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul'];
