import type { Plan } from '@fso/shared/effects';
import fc from 'fast-check';
import MarkdownIt from 'markdown-it';
import { marked } from 'marked';
import { describe, expect, it } from 'vitest';
import { planMarkdown } from './plan-markdown.ts';

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
const plan: fc.Arbitrary<Plan> = fc.record({ name: text, other: text, rule, count: fc.nat(3) }).map(({ name, other, rule, count }) => {
  const pod = { nodeSelector: { 'topology.kubernetes.io/region': name } };
  const side = { source: name, revision: null, at: '2026-06-01T00:00:00.000Z', withoutClusters: [other], withoutRegions: [name] };
  return {
    version: 1,
    id: count === 0 ? null : '0'.repeat(24),
    result: count === 1 ? 'Accepted' : 'Breaks',
    acceptance: {
      state: count === 1 ? 'Accepted' : 'Beyond',
      plan: '0'.repeat(24),
      by: other,
      at: side.at,
      beyond: [{ clusters: [name], message: `namespace ${other}: deny tightened`, owners: [name] }],
    },
    before: side,
    after: side,
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

const TAGS = ['code', 'li', 'p', 'strong', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul'];
const PARSERS: readonly (readonly [string, (markdown: string) => string])[] = [
  ['markdown-it', (markdown) => new MarkdownIt({ html: true, linkify: true }).render(markdown)],
  ['marked', (markdown) => marked.parse(markdown, { async: false, gfm: true })],
];

describe('planMarkdown', () => {
  it.each(PARSERS)('is a table and lists for %s with hostile names', (_parser, render) => {
    fc.assert(
      fc.property(plan, (given) => {
        const html = render(planMarkdown(given));
        const [, body = ''] = html.split('<!-- fso plan -->');
        expect(html.startsWith('<!-- fso plan -->')).toBe(true);
        // No link, no image, no comment, no attribute: a tag is its name alone.
        for (const [, tag] of body.matchAll(/<\/?([^>]*)>/g)) expect(TAGS).toContain(tag);
        const cells = body.match(/<td>/g) ?? [];
        expect(cells.length).toBe(8 * given.effects.length);
        // Outside of code there is nothing but the words of the plan.
        expect(body.replaceAll(/<code>[^<]*<\/code>/g, '')).not.toMatch(/example|@ana|#1|&amp;|onerror/);
      }),
    );
  });

  it('ends before 60,000 characters with 5,000 clusters', () => {
    const none = { now: null, after: null, begins: 0, ends: 1 };
    const clusters = Array.from({ length: 5_000 }, (_, at) => ({
      cluster: `cluster-${at}`,
      observedAt: '2026-06-01T00:00:00.000Z',
      lookedAt: null,
      coverage: 'Part' as const,
      omitted: at,
      outside: none,
      refused: none,
      pending: none,
    }));
    const [given] = fc.sample(plan, { numRuns: 1, seed: 1 });
    if (given === undefined) throw new Error('no plan');
    const markdown = planMarkdown({ ...given, workloads: { clusters, notAnswered: [] } });
    expect(markdown.length).toBeLessThan(60_000);
    expect(markdown).toContain('- 12,497,500 owners in `cluster-0, cluster-1, cluster-2, cluster-3, cluster-4 and 4995 more` were not');
    const scoped = planMarkdown({
      ...given,
      workloads: { clusters: clusters.map((each) => ({ ...each, omitted: null })), notAnswered: [] },
    });
    expect(scoped).toContain('- Some owners in `cluster-0,');
  });
});
