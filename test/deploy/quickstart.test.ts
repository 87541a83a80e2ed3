import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { freePort } from '../../clusters/local/ports.ts';
import { launchChromium } from '../browser/harness/chromium.ts';
import { documentedCommands, Shell, type Terminal } from '../harness/shell.ts';
import { HELM_TOOL } from '../harness/tools.ts';
import { waitFor } from '../harness/waiting.ts';
import { report } from './figures.ts';
import { Images, PAUSE_IMAGE } from './images.ts';
import { assertMachine } from './machine.ts';
import { RealCluster } from './real-cluster.ts';

/**
 * docs/quickstart.md, typed from the page: a node with containerd and kubelet on this machine, and
 * buildah. What the page takes from the internet is put where the commands find it: the base of the
 * images, Gatekeeper's manifest and image, and that of the two pods.
 */

const FOLDER = join('.fso', 'deploy', 'quickstart');
const GATEKEEPER_URL = /https:\/\/\S+\/gatekeeper\.yaml/;
/** Image of the page's pods. */
const POD_IMAGE = 'registry.k8s.io/pause:3.10';

/** A typed step of the page: its commands, and the time that they took. */
interface Step {
  readonly step: string;
  readonly commands: number;
  readonly seconds: number;
}

const countOf = (commands: string): number => commands.split('\n').filter((line) => line.trim() !== '').length;

/** A cluster in which nothing is, and its administrator, who has a checkout and buildah. */
class Newcomer {
  readonly cluster: RealCluster;
  readonly #shell: Shell;
  readonly #replacements: readonly (readonly [string | RegExp, string])[];
  readonly #steps: Step[] = [];
  readonly #terminals: Terminal[] = [];

  private constructor(cluster: RealCluster, shell: Shell, replacements: readonly (readonly [string | RegExp, string])[]) {
    this.cluster = cluster;
    this.#shell = shell;
    this.#replacements = replacements;
  }

  static async start(number: number, images: Images): Promise<Newcomer> {
    const cluster = await RealCluster.start({ name: `trial-${number}`, number, region: 'eu-west-1', images });
    try {
      return await Newcomer.#furnish(cluster, images);
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  static async #furnish(cluster: RealCluster, images: Images): Promise<Newcomer> {
    const programs = join(cluster.folder, 'programs');
    mkdirSync(programs);
    await images.installBuildah(programs);
    writeFileSync(join(programs, 'ctr'), `#!/bin/sh\nexec ${cluster.node.enter().join(' ')} /usr/bin/ctr "$@"\n`);
    chmodSync(join(programs, 'ctr'), 0o755);
    const manifest = join(cluster.folder, 'gatekeeper.yaml');
    writeFileSync(manifest, await cluster.gatekeeperManifest(images));
    await cluster.node.tagImage(PAUSE_IMAGE, POD_IMAGE);
    await cluster.makeVolumes(1);
    const shell = await Shell.open(cluster, cluster.signal, { tools: [HELM_TOOL], programs });
    return new Newcomer(cluster, shell, [
      [GATEKEEPER_URL, manifest],
      [/\.\.\/my-policies/g, join(cluster.folder, 'my-policies')],
      [/172\.18\.0\.1/g, cluster.node.network.gateway],
    ]);
  }

  /** Commands of a block, with what is at another place on this machine. */
  #commands(step: string, commands: string): string {
    this.#steps.push({ step, commands: countOf(commands), seconds: 0 });
    return this.#replacements.reduce(
      (text, [from, to]) => text.replaceAll(typeof from === 'string' ? from : new RegExp(from, 'g'), to),
      commands,
    );
  }

  async #timed<T>(work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    try {
      return await work();
    } finally {
      const last = this.#steps.pop();
      if (last !== undefined) this.#steps.push({ ...last, seconds: Math.round((performance.now() - started) / 1000) });
    }
  }

  /** Types a block. @returns standard output @throws Error with all output */
  async type(step: string, commands: string): Promise<string> {
    const typed = this.#commands(step, commands);
    return this.#timed(() => this.#shell.run(typed));
  }

  /** Types a block into a terminal of its own, and waits until it has printed a text. */
  async typeBeside(step: string, commands: string, until: string): Promise<string> {
    const terminal = this.#shell.start(this.#commands(step, commands));
    this.#terminals.push(terminal);
    await this.#timed(() => waitFor(() => expect(terminal.output).toContain(until)));
    return terminal.output;
  }

  report(title: string): Step[] {
    const seconds = this.#steps.reduce((sum, step) => sum + step.seconds, 0);
    const commands = this.#steps.reduce((sum, step) => sum + step.commands, 0);
    report(title, [...this.#steps, { step: 'all', commands, seconds, minutes: Math.round(seconds / 6) / 10 }]);
    return this.#steps;
  }

  get commands(): number {
    return this.#steps.reduce((sum, { commands }) => sum + commands, 0);
  }

  async close(): Promise<void> {
    for (const terminal of this.#terminals) await terminal.stop();
    await this.cluster.close();
  }
}

/** Creates both pods in one call. @returns what the API server says of them */
const createPods = async (newcomer: Newcomer, commands: string): Promise<string> =>
  newcomer.type('pods', commands).then(
    (output) => output,
    (error: unknown) => `${Reflect.get(Object(error), 'stdout')}${Reflect.get(Object(error), 'stderr')}`,
  );

/** A policy that `kubectl` wrote has its namespace in its name. */
const REFUSED = /Error from server.*outside.*forbidden.*policy (finance\/)?finance-eu allows regions eu-central-1, eu-west-1/is;

let images: Images;
let newcomer: Newcomer | undefined;

beforeAll(assertMachine);

beforeEach(() => {
  // Nothing is there that an earlier test has built.
  rmSync(FOLDER, { recursive: true, force: true });
  images = new Images(FOLDER);
});

afterEach(async () => {
  await newcomer?.close();
  newcomer = undefined;
});

/** Opens the link in a browser, presses its button, and finds a policy in the dashboard. */
const signIn = async (url: string): Promise<void> => {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    await page.goto(url);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL((at) => !at.pathname.startsWith('/auth/'));
    await page.goto(new URL('/policies', url).href);
    await page.getByRole('link', { name: 'finance-eu' }).waitFor();
  } finally {
    await browser.close();
  }
};

it('governs an empty cluster with a hub, and signs in to the dashboard, in 13 commands', async () => {
  newcomer = await Newcomer.start(6, images);
  const { cluster } = newcomer;
  expect(await newcomer.type('images', documentedCommands('docs/quickstart.md', 'images'))).toContain('kubectl label nodes --all');
  await newcomer.typeBeside('repository', documentedCommands('docs/quickstart.md', 'repository'), 'helm install fso-hub');
  expect(await newcomer.type('hub', documentedCommands('docs/quickstart.md', 'hub'))).toContain('helm install fso-agent');
  expect(await newcomer.type('agent', documentedCommands('docs/quickstart.md', 'agent'))).toContain('fso clusters token trial');
  expect(await newcomer.type('locks', documentedCommands('docs/quickstart.md', 'locks'))).toContain('is proven in 1 of 1 clusters');
  expect(await createPods(newcomer, documentedCommands('docs/quickstart.md', 'pods'))).toMatch(REFUSED);
  await cluster.runs('finance', 'inside');
  const port = await freePort();
  const forward = documentedCommands('docs/quickstart.md', 'port').replace('8080:', `${port}:`);
  await newcomer.typeBeside('port', forward, 'Forwarding from 127.0.0.1');
  const said = await newcomer.type('link', documentedCommands('docs/quickstart.md', 'link'));
  const [link = ''] = /http:\/\/127\.0\.0\.1:8080\/auth\/link#\S+/.exec(said) ?? [];
  await signIn(link.replace(':8080', `:${port}`));
  newcomer.report('quick start with a hub, containerd on this machine, buildah from an empty store');
  expect(newcomer.commands).toBe(13);
});

it('governs an empty cluster without a hub in 4 commands, and the fifth shows it', async () => {
  newcomer = await Newcomer.start(7, images);
  const { cluster } = newcomer;
  await newcomer.type('images', documentedCommands('docs/quickstart.md', 'agent-image'));
  await newcomer.type('locks', documentedCommands('docs/quickstart.md', 'alone'));
  expect(newcomer.commands).toBe(4);
  expect(await createPods(newcomer, documentedCommands('docs/quickstart.md', 'alone-pods'))).toMatch(REFUSED);
  await cluster.runs('finance', 'inside');
  newcomer.report('quick start without a hub, containerd on this machine, buildah from an empty store');
  expect(newcomer.commands).toBe(5);
});
