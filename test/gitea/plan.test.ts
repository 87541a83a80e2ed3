import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterPreview } from '@fso/shared/api';
import type { Page } from '@playwright/test';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GitRepository } from '../../clusters/demo/git-repository.ts';
import { planMarkdown } from '../../hub/cli/commands/plan/plan-markdown.ts';
import { hostilePlan, PLAN_TAGS } from '../../hub/cli/commands/plan/testing/hostile-plans.ts';
import type { RunningHub } from '../../hub/hub.ts';
import { launchChromium } from '../browser/harness/chromium.ts';
import { accepted, takeOffer } from '../harness/hub-harness.ts';
import { eventually } from '../harness/waiting.ts';
import { type GiteaWorld, openGiteaWorld, REPOSITORY, WORKFLOW } from './gitea-world.ts';
import { type Comment, PullRequest } from './pull-requests.ts';

const TOKEN = 'static-token-0123456789';
const SECRET = 'webhook-secret-0123456789';
const MARK = '<!-- fso plan -->';
const FINANCE = 'policies/finance.yaml';
const policy = (name: string, spec: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: { name: ${JSON.stringify(name)} }\nspec: ${spec}\n`;

const financeIn = (regions: string): string => policy('finance', `{targetNamespace: finance, allowedRegions: [${regions}]}`);

/** A change that breaks something, with names that Gitea could link: of a commit, and a host. */
const breakingFiles = (namespace: string) => ({
  [FINANCE]: financeIn('eu-west-1'),
  'policies/named.yaml': policy('www.example.com', `{targetNamespace: "${namespace}", allowedRegions: [www.example.com]}`),
});

/** Elements below those of a selector, with the names of their attributes. */
const elementsIn = async (page: Page, selector: string): Promise<readonly string[]> => {
  const script = `[...document.querySelectorAll(${JSON.stringify(`${selector} *`)})].map((each) => [each.localName, ...each.getAttributeNames()].join(' '))`;
  const elements = (await page.evaluate(script)) as readonly string[];
  expect(elements).toContain('code');
  return [...new Set(elements)];
};

/** The answer of the agent of a cluster about its workloads. */
const answerOf = (): Extract<ClusterPreview, { state: 'Answered' }> => {
  const none = { now: 0, after: 0, begins: 0, ends: 0 };
  const owner = { kind: 'Deployment', namespace: 'finance', name: 'planted-owner', reason: 'a reason', fix: '', policies: ['finance'] };
  return {
    ...{ state: 'Answered', observedAt: new Date().toISOString(), lookedAt: { namespaces: 1, owners: 4, pods: 6 }, omitted: 0 },
    ...{ outside: none, refused: { now: 0, after: 2, begins: 2, ends: 0, owners: [owner] }, pending: none },
  };
};

/** A workflow of the same name that always passes. */
const PASSES = `name: fso plan
on:
  pull_request_target:
jobs:
  plan:
    runs-on: ubuntu-latest
    steps:
      - run: exit 0
`;

describe('the workflow on a real Gitea', () => {
  const stop = new AbortController();
  let world: GiteaWorld;
  let hub: RunningHub;
  let copy: GitRepository;
  /** A request with comments of others from before the runner started. */
  let request: PullRequest;
  let alike: Comment;
  let breaking: string;
  /** Check of the first commit of the request, whose job no runner took before the next push. */
  let replaced: string;
  let log: string;

  const plansOf = async (of: PullRequest): Promise<readonly Comment[]> =>
    (await of.comments()).filter(({ user }) => user.login === 'gitea-actions');

  const openRequest = async (): Promise<void> => {
    const { ana, ben, first } = world;
    copy = await world.clone(ana);
    const begun = await copy.commit({ [FINANCE]: financeIn('us-east-1') }, 'another region', 'refs/heads/tighten');
    request = await PullRequest.open(ana, 'tighten', 'Tighten @ben <img src=x> #1');
    breaking = await copy.commit(breakingFiles(first), 'one region', 'refs/heads/tighten');
    replaced = await request.checked(begun);
    alike = await request.comment(ben, `${MARK}\n**Nothing breaks.**`);
    for (let n = 0; n < 60; n += 1) await request.comment(ana, `remark ${n}`);
  };

  beforeAll(async () => {
    world = await openGiteaWorld(stop.signal);
    const { admin, ben, gitea } = world;
    hub = await world.hubs.startHub({
      config: { webhookSecret: SECRET, apiToken: TOKEN },
      gitConfig: {
        url: `${gitea.url}/${REPOSITORY}.git`,
        pollMs: 86_400_000,
        credentials: { username: ben.name, password: ben.token },
      },
    });
    await accepted(hub, world.first);
    await admin.call('POST', `repos/${REPOSITORY}/hooks`, {
      ...{ type: 'gitea', active: true, events: ['push'] },
      config: { url: `${hub.url}/api/v1/webhooks/git`, content_type: 'json', secret: SECRET },
    });
    await openRequest();
    log = await world.startRunner();
  });
  afterAll(async () => {
    stop.abort();
    await world.close();
  });

  it('runs on the Gitea that the documentation names', async () => {
    expect(await world.ana.call('GET', 'version')).toEqual({ version: '1.26.0' });
  });

  it('cancels the plan of an earlier push', () => {
    expect(replaced).toBe('failure');
  });

  it('shows names on the page as text', async () => {
    expect(await request.checked(breaking)).toBe('failure');
    const [comment] = await plansOf(request);
    await using browser = await launchChromium();
    const page = await browser.newPage({ baseURL: world.gitea.url });
    await page.request.post('/user/login', { form: { user_name: world.ben.name, password: world.ben.password } });
    await page.goto(`/${REPOSITORY}/pulls/${request.number}`);
    const shown = `#issuecomment-${comment?.id} .render-content`;
    // The links are those of the two commits that are compared.
    const ours = [...PLAN_TAGS, 'a href rel', 'p dir', 'ul dir'];
    expect((await elementsIn(page, shown)).filter((element) => !ours.includes(element))).toEqual([]);
    const linked = await page.locator(`${shown} a`).allInnerTexts();
    const base = await copy.git('merge-base', 'origin/main', breaking);
    expect(linked).toEqual([base, breaking].map((revision) => revision.slice(0, 8)));
    expect(await page.locator(`${shown} td:nth-child(2)`).allInnerTexts()).toContain(world.first);
  });

  it('keeps one comment and refuses the merge until the change is mended, and the hub follows the merge', async () => {
    const { admin, ben, first } = world;
    expect(await request.checked(breaking)).toBe('failure');
    const [comment, ...others] = await plansOf(request);
    expect(others).toEqual([]);
    expect(comment?.user.id).toBe(-2);
    expect(comment?.body).toMatch(/^<!-- fso plan -->\n\*\*Breaks: 2 of 2 changes /);
    expect(comment?.body).toContain(`| \`${first}\` |`);
    expect((await request.merge(ben)).status).toBe(405);

    const worse = await copy.commit({ [FINANCE]: financeIn('us-east-1') }, 'another region', 'refs/heads/tighten');
    expect(await request.checked(worse)).toBe('failure');
    expect(await plansOf(request)).toEqual([{ ...comment, body: expect.stringContaining('us-east-1'), updated_at: expect.any(String) }]);
    expect((await request.comments()).find(({ id }) => id === alike.id)?.body).toBe(alike.body);
    expect((await request.merge(admin)).status).toBe(405);

    const files = { [FINANCE]: financeIn('eu-west-1, eu-central-1, eu-north-1'), 'policies/named.yaml': null };
    const mended = await copy.commit(files, 'more regions', 'refs/heads/tighten');
    expect(await request.checked(mended)).toBe('success');
    expect((await plansOf(request)).map(({ body }) => body)).toEqual([expect.stringContaining('**Nothing breaks: 1 change.')]);
    expect((await request.merge(ben)).status).toBe(200);
    const { commit } = await admin.call<{ commit: { id: string } }>('GET', `repos/${REPOSITORY}/branches/main`);
    await accepted(hub, commit.id);
    const { actor } = await eventually(async () =>
      (await hub.ledger.audit.list({ limit: 50 })).find(({ action }) => action === 'webhook.accept'),
    );
    expect(actor).toMatchObject({ kind: 'webhook', id: 'gitea' });
  });

  it('renders hostile names as text', async () => {
    const rendered: string[] = [];
    for (const plan of fc.sample(hostilePlan, 200)) {
      const body = { Text: planMarkdown(plan), Mode: 'comment', Context: REPOSITORY };
      // As comments are: without a repository, which they have, Gitea 1.26.0 ends at `1234567` and
      // every other text that could be a commit (models/renderhelper/commit_checker.go).
      const response = await world.ana.send('POST', `repos/${REPOSITORY}/markdown`, body);
      expect(response.status).toBe(200);
      rendered.push(await response.text());
    }
    await using browser = await launchChromium();
    const page = await browser.newPage();
    await page.setContent(rendered.join(''));
    const ours = [...PLAN_TAGS, 'p dir', 'ul dir'];
    expect((await elementsIn(page, 'body')).filter((element) => !ours.includes(element))).toEqual([]);
  });

  it('keeps names that are none out of the comment', async () => {
    const evil = '@ben <img src=x onerror=a()> [a](https://a.example) ![b](https://a.example/b.png)';
    const name = JSON.stringify(evil);
    const files = { 'policies/evil.yaml': policy(evil, `{targetNamespace: ${name}, allowedRegions: [${name}]}`) };
    const head = await (await world.clone(world.ana)).commit(files, evil, 'refs/heads/evil');
    const bad = await PullRequest.open(world.ana, 'evil', evil);
    expect(await bad.checked(head)).toBe('failure');
    expect((await plansOf(bad)).map(({ body }) => body)).toEqual([`${MARK}\n**There is no plan: the job says why.**\n`]);
    expect(await readFile(log, 'utf8')).toContain('policies/evil.yaml');
  });

  it('is not changed by the change that it judges', async () => {
    const files = { ...breakingFiles(world.first), [WORKFLOW]: PASSES };
    const head = await (await world.clone(world.ana)).commit(files, 'a plan of my own', 'refs/heads/own');
    const own = await PullRequest.open(world.ana, 'own');
    expect(await own.checked(head)).toBe('failure');
    expect((await plansOf(own)).map(({ body }) => body)).toEqual([expect.stringContaining('**Breaks: ')]);
  });

  it.each(['fork', 'branchless'])('makes no plan of a %s pull request, and its check fails', async (kind) => {
    const { eve, ben, first } = world;
    const isFork = kind === 'fork';
    if (isFork) await eve.call('POST', `repos/${REPOSITORY}/forks`, {});
    const repository = await world.clone(eve, isFork ? 'eve/policies' : REPOSITORY);
    const { length } = await readFile(log, 'utf8');
    const head = await repository.commit(breakingFiles(first), kind, isFork ? 'refs/heads/fork' : 'refs/for/main/eve');
    const foreign = isFork ? await PullRequest.open(eve, 'eve:fork') : await PullRequest.withHead(eve, head);
    expect(await foreign.checked(head)).toBe('failure');
    const job = (await readFile(log, 'utf8')).slice(length);
    expect(job).toContain('There is no plan without a branch of this repository');
    expect(job).not.toContain('Run Main install');
    expect(await plansOf(foreign)).toEqual([]);
    expect((await foreign.merge(ben)).status).toBe(405);
  });

  it('asks the agents by the token of the hub, and names no workloads', async () => {
    const { admin, ana, first, hubs } = world;
    await admin.call('PUT', `repos/${REPOSITORY}/actions/secrets/FSO_TOKEN`, { data: TOKEN });
    const main = await world.clone(admin);
    const workflow = (await readFile(join(main.folder, WORKFLOW), 'utf8'))
      .replace(/ --base .* --ref/, ' --ref')
      .replace('    env:\n', `    env:\n      FSO_SERVER: ${hub.url}\n      FSO_TOKEN: \${{ secrets.FSO_TOKEN }}\n`);
    await accepted(hub, await main.commit({ [WORKFLOW]: workflow }, 'plans by the hub'));
    const answers = ['eu', 'us'].map(async (cluster) => {
      const agent = await hubs.agent(hub, cluster);
      await takeOffer(agent, hub, cluster);
      return async () => agent.send({ type: 'previewed', id: (await agent.next('preview')).id, answer: answerOf() });
    });
    const asked = await Promise.all(answers);
    const head = await (await world.clone(ana)).commit(breakingFiles(first), 'what runs', 'refs/heads/running');
    const running = await PullRequest.open(ana, 'running');
    await Promise.all(asked.map((answer) => answer()));
    expect(await running.checked(head)).toBe('failure');
    const [comment] = await plansOf(running);
    expect(comment?.body).toContain('Of what runs, 0 owners would be outside, 4 refused at the next start, and 0 stay pending.');
    expect(comment?.body).toContain('| `eu` | `0` | `2 (+2)` | `0` | `4 owners, 6 pods` |');
    expect(comment?.body).not.toContain('planted-owner');
    expect(await readFile(log, 'utf8')).not.toContain(TOKEN);
  });
});
