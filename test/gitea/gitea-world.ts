import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { type GitRepository, openGitRepository } from '../../clusters/demo/git-repository.ts';
import { FILES } from '../../hub/serve/testing/fleet.ts';
import { type HubHarness, openHubHarness } from '../harness/hub-harness.ts';
import { startPostgres } from '../harness/postgres.ts';
import { eventually } from '../harness/waiting.ts';
import { Gitea, type GiteaUser } from './gitea.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** The repository of the policies, which only its members can read. */
export const REPOSITORY = 'acme/policies';
export const WORKFLOW = '.gitea/workflows/fso-plan.yaml';
/** Name of the check as Gitea makes it: workflow, job and event. */
export const CHECK = 'fso plan / plan (pull_request_target)';

/** An action in the place of `actions/checkout`, whose host may not be reached. */
const CHECKOUT = `name: checkout
inputs: { fetch-depth: {}, persist-credentials: {} }
runs:
  using: composite
  steps:
    - shell: bash
      env:
        TOKEN: \${{ github.token }}
        URL: \${{ github.api_url }}
      run: |
        git init --quiet .
        header="Authorization: Basic $(printf 'x-access-token:%s' "$TOKEN" | base64 -w 0)"
        git -c "http.extraHeader=$header" fetch --quiet "\${URL%/api/v1}/$GITHUB_REPOSITORY" '+refs/heads/*:refs/remotes/origin/*'
        git checkout --quiet --detach "$GITHUB_SHA"
`;

/** The policies of a small fleet, by path. */
export const POLICY_FILES: Readonly<Record<string, string>> = Object.fromEntries(FILES.map(({ path, text }) => [path, text]));

/** A Gitea with a repository of policies whose pull requests are planned, and its people. */
export interface GiteaWorld {
  readonly gitea: Gitea;
  readonly hubs: HubHarness;
  readonly admin: GiteaUser;
  /** A person who may push. */
  readonly ana: GiteaUser;
  /** A person who may push and merge. */
  readonly ben: GiteaUser;
  /** A person who may only read. */
  readonly eve: GiteaUser;
  /** The first commit of the main branch. */
  readonly first: string;
  /** Working copy of a user, at the newest commit of the main branch. */
  clone(user: GiteaUser, repository?: string): Promise<GitRepository>;
  /** Starts what runs the jobs that wait, and those that follow. @returns the file of its log */
  startRunner(): Promise<string>;
  close(): Promise<void>;
}

/** Packs the command line as it is published. @returns the path of the package */
const packCli = async (folder: string): Promise<string> => {
  await mkdir(folder);
  await promisify(execFile)('npm', ['run', 'pack:cli', '--', '--pack-destination', folder], { cwd: ROOT });
  const [file = ''] = await readdir(folder);
  return join(folder, file);
};

/** The workflow with the package of this repository, and an action that can be reached. */
const workflowWith = async (cliPackage: string, checkout: string): Promise<string> => {
  const text = await readFile(join(ROOT, 'deploy/plan/gitea.yaml'), 'utf8');
  return text
    .replace(/(CLI_PACKAGE: ).*/, (_line, name: string) => `${name}${cliPackage}`)
    .replace(/(actions\/checkout@)[0-9a-f]{40}/, (_line, name: string) => `${name}${checkout}`);
};

const makeRepository = async (admin: GiteaUser, repository: string, isPrivate: boolean): Promise<void> => {
  const [owner, name] = repository.split('/');
  await admin.call('POST', 'orgs', { username: owner, visibility: 'public' });
  await admin.call('POST', `orgs/${owner}/repos`, { name, private: isPrivate, default_branch: 'main' });
};

export const openGiteaWorld = async (signal: AbortSignal): Promise<GiteaWorld> => {
  await using parts = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'fso-gitea-'));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  const postgres = await startPostgres();
  parts.defer(() => postgres.stop());
  const gitea = await Gitea.start(join(folder, 'gitea'), await postgres.createDatabase(), signal);
  parts.defer(() => gitea.stop());
  const hubs = await openHubHarness();
  parts.defer(() => hubs.close());
  const admin = await gitea.createUser('root-admin', '--admin');
  const [ana, ben, eve] = [await gitea.createUser('ana'), await gitea.createUser('ben'), await gitea.createUser('eve')];
  await makeRepository(admin, 'actions/checkout', false);
  await makeRepository(admin, REPOSITORY, true);
  const permissions = new Map([
    [ana, 'write'],
    [ben, 'write'],
    [eve, 'read'],
  ]);
  for (const [{ name }, permission] of permissions) await admin.call('PUT', `repos/${REPOSITORY}/collaborators/${name}`, { permission });
  const action = await openGitRepository(join(folder, 'checkout'), admin.gitUrl('actions/checkout'));
  const cliPackage = await packCli(join(folder, 'package'));
  const workflow = await workflowWith(cliPackage, await action.commit({ 'action.yml': CHECKOUT }, 'the action'));
  const main = await openGitRepository(join(folder, 'main'), admin.gitUrl(REPOSITORY));
  const first = await main.commit({ ...POLICY_FILES, [WORKFLOW]: workflow }, 'the first policies');
  // A queue of Gitea's takes what was pushed; until then an empty repository has no pull requests.
  await eventually(async () => !(await admin.call<{ empty: boolean }>('GET', `repos/${REPOSITORY}`)).empty);
  await admin.call('POST', `repos/${REPOSITORY}/branch_protections`, {
    ...{ rule_name: 'main', block_admin_merge_override: true },
    ...{ enable_push: true, enable_push_whitelist: true, push_whitelist_usernames: [admin.name] },
    ...{ enable_status_check: true, status_check_contexts: [CHECK] },
  });
  let clones = 0;
  const owned = parts.move();
  return {
    ...{ gitea, hubs, admin, ana, ben, eve, first },
    clone: async (user, repository = REPOSITORY) => {
      clones += 1;
      const copy = await openGitRepository(join(folder, `clone-${clones}`), user.gitUrl(repository));
      await copy.git('fetch', '--quiet', 'origin', 'main');
      await copy.git('reset', '--quiet', '--hard', 'FETCH_HEAD');
      return copy;
    },
    startRunner: () => {
      const prefix = join(folder, 'npm');
      const PATH = [join(prefix, 'bin'), process.env['PATH']].join(delimiter);
      return gitea.startRunner(admin, { PATH, npm_config_prefix: prefix, npm_config_offline: 'true' });
    },
    close: () => owned.disposeAsync(),
  };
};
