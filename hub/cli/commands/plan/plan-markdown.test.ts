import fc from 'fast-check';
import MarkdownIt from 'markdown-it';
import { marked } from 'marked';
import { describe, expect, it } from 'vitest';
import { planMarkdown } from './plan-markdown.ts';
import { hostilePlan, PLAN_TAGS } from './testing/hostile-plans.ts';

const PARSERS: readonly (readonly [string, (markdown: string) => string])[] = [
  ['markdown-it', (markdown) => new MarkdownIt({ html: true, linkify: true }).render(markdown)],
  ['marked', (markdown) => marked.parse(markdown, { async: false, gfm: true })],
];

describe('planMarkdown', () => {
  it.each(PARSERS)('is a table and lists for %s with hostile names', (_parser, render) => {
    fc.assert(
      fc.property(hostilePlan, (given) => {
        const html = render(planMarkdown(given));
        const [, body = ''] = html.split('<!-- fso plan -->');
        expect(html.startsWith('<!-- fso plan -->')).toBe(true);
        // No link, no image, no comment, no attribute: a tag is its name alone.
        for (const [, tag] of body.matchAll(/<\/?([^>]*)>/g)) expect(PLAN_TAGS).toContain(tag);
        const cells = body.match(/<td>/g) ?? [];
        expect(cells.length).toBe(8 * given.effects.length + 3);
        // Outside of code there is nothing but the words of the plan.
        expect(body.replaceAll(/<code>[^<]*<\/code>/g, '')).not.toMatch(/example|@ana|#1|&amp;|onerror|0{24}/);
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
    const [given] = fc.sample(hostilePlan, { numRuns: 1, seed: 1 });
    if (given === undefined) throw new Error('no plan');
    const markdown = planMarkdown({ ...given, workloads: { clusters, notAnswered: [], teams: [] } });
    expect(markdown.length).toBeLessThan(60_000);
    expect(markdown).toContain('- 12,497,500 owners in `cluster-0, cluster-1, cluster-2, cluster-3, cluster-4 and 4995 more` were not');
    const scoped = planMarkdown({
      ...given,
      workloads: { clusters: clusters.map((each) => ({ ...each, omitted: null })), notAnswered: [], teams: [] },
    });
    expect(scoped).toContain('- Some owners in `cluster-0,');
  });
});
