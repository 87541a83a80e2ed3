import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testTitles } from './harness/source-tree.ts';

/**
 * Words that make a sentence vague or bookish, with what reads better. Whole words, in any case.
 */
const WORDS: ReadonlyMap<string, string> = new Map([
  ['somebody', 'the person, caller or program by name; else "another user", "others"'],
  ['whoever', 'the person or program by name; else "anyone who"'],
  ['heard of', 'seen, reported'],
  ['told of', 'reported, notified'],
  ['are told', 'learn, get; or say who reports it'],
  ['anew', 'again'],
  ['an other', 'another'],
  ['made-up', 'simulated, invented, forged'],
  ['made up', 'simulated, invented, forged'],
  ['asks nobody', 'without authentication'],
  ['as it should', 'say what is wrong, or what is expected'],
  ['at all', 'leave it out'],
  ['the answer is no', 'negative result'],
  ['could not ask', 'usage, connection or access error'],
  ['as safe as it gets', 'durable'],
  ['polled anyway', 'also polls'],
  ['not proven, or not known', 'not yet proven'],
  ['not known whether', 'unknown, or "no data"'],
  ['everything that answers', 'name the things'],
]);

const root = join(import.meta.dirname, '..');

const OTHERS = /(^|\/)(node_modules|dist|\.git|\.fso)(\/|$)/;
const find = (pattern: string): string[] =>
  globSync(pattern, { cwd: root, exclude: (path) => OTHERS.test(path) }).map((path) => path.replaceAll('\\', '/'));

const findings = (paths: readonly string[]): string[] =>
  paths.flatMap((path) =>
    readFileSync(join(root, path), 'utf8')
      .split('\n')
      .flatMap((line, index) =>
        [...WORDS]
          .filter(([word]) => new RegExp(`(?<![\\w-])${word}(?![\\w-])`, 'i').test(line))
          .map(([word, better]) => `${path}:${index + 1}: "${word}" → ${better}`),
      ),
  );

/** First words of a doc comment that begin neither a noun nor a verb. */
const NO_SUBJECTS: ReadonlySet<string> = new Set(
  (
    'As Of By In On What Who That Where When If How To It They One So For With Without Not No Once At Only Nobody Nothing None Some Whose ' +
    'Whom From Before After Beyond Beside Since Until While Like Than There Here Then Also Because Even Both Each Either Neither Are Is Was ' +
    'Were Has Had Have Does Do Can May Must Should Which Why Already Instead'
  ).split(' '),
);

const DOC_COMMENT = /\/\*\*\s*(?:\n\s*\*\s*)?(\w+)/g;

/** @returns `path:line: word` of each doc comment that begins with one of {@link NO_SUBJECTS} */
const withoutSubject = (sources: readonly { readonly path: string; readonly text: string }[]): string[] =>
  sources.flatMap(({ path, text }) =>
    [...text.matchAll(DOC_COMMENT)]
      .filter(([, word = '']) => NO_SUBJECTS.has(word))
      .map(({ 1: word, index }) => `${path}:${text.slice(0, index).split('\n').length}: ${word}`),
  );

/** First words of a title that begin neither a noun nor a verb: clauses and fragments. */
const NO_BEHAVIOUR: ReadonlySet<string> = new Set(
  (
    'as of by in on what who that where when if how to it they one so for with without not no once at only nobody nothing none some whose ' +
    'whom from before after beyond beside since until while like than there here also because even both each either which why already ' +
    'instead whatever whoever whether and but unless over'
  ).split(' '),
);

/** Words of titles that hide who does what, with what reads better. */
const TITLE_WORDS = new RegExp(
  `\\b(?:${[
    'says?|said|saying', // reports, shows, names, explains
    'tells?|told', // notifies, reports, distinguishes
    'whatever|whoever|whichever', // any
    'go(?:es|ing)? on', // continues
    'nobody', // no caller, no hub
    'so many|ever so', // a bounded number, many
    'another one', // the noun
    'as (?:it|they) (?:is|are|was|were)', // unchanged
    'at all',
    'meant', // desired, selected
  ].join('|')})\\b`,
  'i',
);

/**
 * @returns `path:line: title` of each title that does not begin with a noun or a verb, where it is
 * not of a group, or has one of {@link TITLE_WORDS}
 */
const riddles = (path: string, text: string): readonly string[] =>
  testTitles(path, text)
    .filter((title) => {
      const [first = ''] = /^[a-z]+(?![\w:])/i.exec(title.text) ?? [];
      return TITLE_WORDS.test(title.text) || (!title.isGroup && NO_BEHAVIOUR.has(first.toLowerCase()));
    })
    .map((title) => `${path}:${title.line}: ${title.text}`);

describe('words', () => {
  it('are plain in the documentation', () => {
    // Decisions are kept in the words of their time.
    const pages = find('{*,docs/**/*,agent/**/*,clusters/**/*,hub/**/*,shared/**/*,test/**/*}.md');
    const read = pages.filter((path) => !path.startsWith('docs/adr/'));
    expect(read.length).toBeGreaterThan(20);
    expect(findings(read)).toEqual([]);
  });

  it('are plain in names, texts and comments of the sources', () => {
    const sources = find('{agent,clusters,hub,shared,test}/**/*.{ts,tsx,mjs,js}').filter((path) => path !== 'test/words.test.ts');
    expect(sources.length).toBeGreaterThan(50);
    expect(findings(sources)).toEqual([]);
  });

  it('begin doc comments with a noun or a verb', () => {
    const paths = find('{agent,clusters,hub,shared,test}/**/*.{ts,tsx}').filter((path) => path !== 'test/words.test.ts');
    const sources = paths.map((path) => ({
      path,
      text: readFileSync(join(root, path), 'utf8'),
    }));
    expect(withoutSubject(sources)).toEqual([]);
  });

  it.each(['/** What it does. */', '/**\n * Of all agents.\n */'])('are found at the beginning of a doc comment: %j', (comment) => {
    const text = `const a = 1;\n${comment}\n`;
    expect(withoutSubject([{ path: 'a.ts', text }])).toEqual([expect.stringMatching(/^a\.ts:2: (What|Of)$/)]);
  });

  it('state the behaviour in titles of tests', () => {
    const paths = find('{agent,clusters,deploy,hub,shared,test}/**/*.{ts,tsx}').filter((path) => path !== 'test/words.test.ts');
    const suites = paths
      .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
      .filter(({ text }) => /\b(?:it|test)\b/.test(text));
    expect(suites.length).toBeGreaterThan(300);
    expect(suites.flatMap(({ path, text }) => riddles(path, text))).toEqual([]);
  });

  it.each(['has told what holds once it is quiet', 'of another cluster', 'that %s is refused'])(
    'are found in a title of a test: %j',
    (title) => {
      const text = `describe('a group of cases', () => {\n  it.each([1])(${JSON.stringify(title)}, () => {});\n});\n`;
      expect(riddles('a.test.ts', text)).toEqual([`a.test.ts:2: ${title}`]);
    },
  );

  it.each(['converges after any sequence of changes', 'list: shows all', 'one: lists the clusters'])(
    'accept a plain title: %j',
    (title) => {
      expect(riddles('a.test.ts', `it(${JSON.stringify(title)}, () => {});`)).toEqual([]);
    },
  );

  it('are found with file and line', () => {
    expect(findings(['test/words.test.ts'])).toContainEqual(expect.stringMatching(/^test\/words\.test\.ts:\d+: "somebody" → /));
  });
});
